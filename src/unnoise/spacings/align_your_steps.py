"""Levels found by minimising the divergence that discretisation costs (Sabour et al. 2024).

The ten-step schedules that its authors published for three models, in sigma / alpha. Other numbers of steps are
interpolated in log sigma, as the authors advise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unnoise.core.error import Refused
from unnoise.core.trajectory import Trajectory, counted, level_at, level_of

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule

PUBLISHED: Mapping[str, tuple[float, ...]] = {
    "sd15": (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029),
    "sdxl": (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029),
    "svd": (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002),
}


@dataclass(frozen=True)
class AlignYourSteps:
    """Args:
    model: whose schedule: Stable Diffusion 1.5, XL, or Stable Video Diffusion.
    extra: levels laid out beyond the steps and left out at the clean end: 1 as published, 0 as in A1111.
    """

    model: Literal["sd15", "sdxl", "svd"] = "sd15"
    extra: int = 1

    def __post_init__(self) -> None:
        if self.extra not in (0, 1):
            raise Refused(f"{self.extra} levels cannot be left out", "extra is 1 or 0", "spacing")

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        points = counted(steps) + self.extra
        table, top = PUBLISHED[self.model], float(level_at(schedule, 1.0).ratio)
        if table[0] > top * 1.001:  # published to three decimals
            raise Refused(
                f"the levels published for {self.model} begin at sigma {table[0]:g}, and this schedule at {top:g}",
                "take another of its models, or another spacing",
                "spacing",
            )
        sigmas = [interpolated(table, i * (len(table) - 1) / max(points - 1, 1)) for i in range(steps)]
        levels = (*(level_of(schedule, min(s, top)) for s in sigmas), level_at(schedule, 0.0))
        return Trajectory(levels, schedule, float(levels[0].sigma))


def interpolated(table: tuple[float, ...], place: float) -> float:
    """The value at a place, 0 to len(table) - 1, of a table: straight between its logarithms."""
    below = min(int(place), len(table) - 2)
    if place == below:
        return table[below]
    first, second = math.log(table[below]), math.log(table[below + 1])
    return math.exp(first + (second - first) * (place - below))


spacing = AlignYourSteps
aliases = {
    "Align Your Steps": "align_your_steps",
    "AYS": "align_your_steps",
    "AYS SD1": "align_your_steps:model=sd15",
    "AYS SDXL": "align_your_steps:model=sdxl",
    "AYS SVD": "align_your_steps:model=svd",
}
