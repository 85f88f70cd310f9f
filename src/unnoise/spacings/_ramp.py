"""What the spacings that ramp sigma share: where the ramp starts and ends, and the way back to levels.

sigma here is sigma / alpha, the noise of variance-exploding coordinates. A path that reaches alpha = 0 has no largest
one; there the ramp runs in sigma / (alpha + sigma), which is the time of a straight path, as ComfyUI ramps flows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from unnoise.core.error import Refused
from unnoise.core.trajectory import Trajectory, counted, level_at, level_of
from unnoise.spacings._rows import Start

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule


Ramp = Callable[[float, float, int], list[float]]


def ramped(schedule: Schedule, steps: int, low: float, high: float, ramp: Ramp, start: Start = "noise") -> Trajectory:
    """Levels where `ramp(high, low, steps)` puts sigma, and then the clean one.

    Args:
        low, high: the range of sigma; 0 takes the schedule's own.
        start: begin with the level's own noise, or with unit variance.
    """
    top = float(level_at(schedule, 1.0).ratio)
    bottom = float(level_at(schedule, schedule.low).ratio)
    straight = math.isinf(top)
    largest = 1.0 if straight else top
    smallest = bottom / (1 + bottom) if straight else bottom
    low, high = low or smallest, high or largest
    if not 0 < low < high <= largest * (1 + 1e-9):
        raise Refused(
            f"sigmas from {high:g} down to {low:g} do not lie on this schedule",
            f"its sigmas end at {largest:g}, and low must be below high",
            "spacing",
        )
    sigmas = ramp(high, low, steps) if counted(steps) > 1 else [high]
    ratios = [math.inf if s >= 1 else s / (1 - s) for s in sigmas] if straight else sigmas
    levels = [level_of(schedule, r) for r in ratios] + [level_at(schedule, 0.0)]
    return Trajectory(tuple(levels), schedule, 1.0 if start == "unit" else float(levels[0].sigma))


def between(high: float, low: float, steps: int, curve: Callable[[float], float]) -> list[float]:
    """`steps` values from high to low, log-spaced along a curve that rises from 0 to 1."""
    a, b = math.log(high), math.log(low)
    return [math.exp(a + (b - a) * curve(i / (steps - 1))) for i in range(steps)]
