"""Small equal steps in time at first, then steps that grow (Genmo's Mochi; Movie Gen, Polyak et al. 2024, sec. 3.4).

With n steps of which the first m make the share q of the way, step m + j has made q + q j / m + (1 - q n / m)
(j / (n - m))²: value and slope go on where the straight piece ends, and the last step arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.error import Refused
from unnoise.core.trajectory import counted, through

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class LinearQuadratic:
    """Args:
    threshold: how far the straight piece goes, as a share of the time.
    linear: steps of the straight piece; 0 takes half of them.
    """

    threshold: float = 0.025
    linear: int = 0

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        if counted(steps) == 1 and not self.linear:
            return through(schedule, [1.0, 0.0])
        straight = self.linear or steps // 2
        if not 0 < self.threshold * steps <= straight < steps:
            raise Refused(
                f"{straight} of {steps} steps cannot cover {self.threshold:g} of the time and leave growing ones",
                "take a smaller threshold, or fewer linear steps",
                "spacing",
            )
        slope, curved = self.threshold / straight, steps - straight
        grown = [(1 - slope * steps) * (j / curved) ** 2 for j in range(curved)]
        bent = [self.threshold + slope * j + more for j, more in enumerate(grown)]
        return through(schedule, [1 - part for part in [slope * i for i in range(straight)] + bent] + [0.0])


spacing = LinearQuadratic
aliases = ["Linear Quadratic"]
