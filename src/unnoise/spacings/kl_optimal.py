"""Equal steps in the angle arctan(sigma / alpha): least divergence for unit Gaussian data (Sabour et al. 2024, sec. 3).

There sigma_i = tan(i/n arctan(sigma_min) + (1 - i/n) arctan(sigma_max)). A path that reaches alpha = 0 starts at a
right angle and needs no form of its own; the cosine schedule's time is the angle, so there the steps are equal in time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.trajectory import Trajectory, counted, level_at, level_of

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule


@dataclass(frozen=True)
class KLOptimal:
    """From the schedule's noisiest level to its least noise, and then clean."""

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        top, low = level_at(schedule, 1.0), level_at(schedule, schedule.low)
        high, end = math.atan(float(top.ratio)), math.atan(float(low.ratio))
        angles = [high + (end - high) * i / (steps - 1) for i in range(1, counted(steps))]
        between = [level_of(schedule, math.tan(angle)) for angle in angles]
        return Trajectory((top, *between, level_at(schedule, 0.0)), schedule, float(top.sigma))


spacing = KLOptimal
aliases = ["KL Optimal"]
