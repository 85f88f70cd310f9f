"""Steps in log sigma that follow a power of the position (k-diffusion's polyexponential schedule)."""

from dataclasses import dataclass

from unnoise.core.schedule import Schedule
from unnoise.core.trajectory import Trajectory
from unnoise.spacings._ramp import between, ramped


@dataclass(frozen=True)
class Polyexponential:
    """Args:
    rho: 1 is `exponential`; more puts more steps at little noise.
    low, high: the range of sigma; 0 takes the schedule's own.
    """

    rho: float = 1.0
    low: float = 0.0
    high: float = 0.0

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        def ramp(high: float, low: float, n: int) -> list[float]:
            return between(high, low, n, lambda u: 1 - (1 - u) ** self.rho)

        return ramped(schedule, steps, self.low, self.high, ramp)


spacing = Polyexponential
aliases = ["Polyexponential"]
