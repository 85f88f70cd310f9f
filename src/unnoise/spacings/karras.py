"""Equal steps in sigma^(1/rho): most of them at little noise (Karras et al. 2022, eq. 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.error import Refused
from unnoise.spacings._ramp import ramped
from unnoise.spacings._rows import Start

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class Karras:
    """Args:
    rho: how strongly steps crowd towards little noise.
    low, high: the range of sigma; 0 takes the schedule's own.
    start: begin with the level's own noise, or with unit variance as diffusers' DPM-Solver does.
    """

    rho: float = 7.0
    low: float = 0.0
    high: float = 0.0
    start: Start = "noise"

    def __post_init__(self) -> None:
        if not 0.1 <= self.rho <= 100:
            raise Refused(f"a rho of {self.rho:g} makes no ramp", "rho runs from 0.1 to 100", "spacing")

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        def ramp(high: float, low: float, n: int) -> list[float]:
            a, b = high ** (1 / self.rho), low ** (1 / self.rho)
            return [(a + (b - a) * i / (n - 1)) ** self.rho for i in range(n)]

        return ramped(schedule, steps, self.low, self.high, ramp, self.start)


spacing = Karras
aliases = ["Karras"]
