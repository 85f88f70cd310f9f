"""What a sampler and a spacing are. Each lives in one file of its own folder.

A sampler's class may carry marks, read by the functions at the end: `alone`, `branches` and `upward`, each a ClassVar.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

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


def alone(sampler: Any) -> bool:
    """Whether its steps follow from the sample itself: no two pictures may share a run, and nobody can count ahead."""
    return bool(getattr(sampler, "alone", False))


def branches(sampler: Any) -> tuple[str, ...]:
    """The branches of guidance it looks at by `detailed`, beside the combined guess; it cannot run without them."""
    return tuple(getattr(sampler, "branches", ()))


def upward(sampler: Any) -> bool:
    """Whether it walks from the clean end of a trajectory to noise."""
    return bool(getattr(sampler, "upward", False))
