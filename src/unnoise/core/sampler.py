"""What a sampler, a spacing and a guidance are. Each lives in one file of its own folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.schedule import Schedule
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


class Sampler(Protocol):
    """A frozen dataclass whose fields are its options; walks a state down the trajectory, yielding after each step."""

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise, /) -> Iterator[State]: ...


class Spacing(Protocol):
    """A frozen dataclass whose fields are its options; lays `steps` steps along a schedule for this shape of sample."""

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = (), /) -> Trajectory: ...
