"""Equal steps in log sigma (Song et al. 2021b, section C; k-diffusion's exponential schedule)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.spacings._ramp import between, ramped

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class Exponential:
    """Args:
    low, high: the range of sigma; 0 takes the schedule's own.
    """

    low: float = 0.0
    high: float = 0.0

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        return ramped(schedule, steps, self.low, self.high, lambda high, low, n: between(high, low, n, lambda u: u))


spacing = Exponential
aliases = ["Exponential"]
