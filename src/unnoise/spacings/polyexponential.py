"""Steps in log sigma that follow a power of the position (k-diffusion's polyexponential schedule)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.error import Refused
from unnoise.spacings._ramp import between, ramped

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class Polyexponential:
    """Args:
    rho: 1 is `exponential`; more puts more steps at little noise.
    low, high: the range of sigma; 0 takes the schedule's own.
    """

    rho: float = 1.0
    low: float = 0.0
    high: float = 0.0

    def __post_init__(self) -> None:
        if not 0.1 <= self.rho <= 100:
            raise Refused(f"a rho of {self.rho:g} makes no ramp", "rho runs from 0.1 to 100", "spacing")

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        def ramp(high: float, low: float, n: int) -> list[float]:
            return between(high, low, n, lambda u: 1 - (1 - u) ** self.rho)

        return ramped(schedule, steps, self.low, self.high, ramp)


spacing = Polyexponential
aliases = ["Polyexponential"]
