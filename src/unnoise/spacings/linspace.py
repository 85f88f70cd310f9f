"""Equal steps over a table's rows, both ends included (diffusers' default for Euler and Heun)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.trajectory import counted
from unnoise.spacings._rows import End, Start, along, count

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class Linspace:
    """Rows N - 1 to 0 in equal steps, then clean.

    Args:
        rounded: to whole rows, as diffusers does for all but Euler's family.
        start: begin with the level's own noise, or with unit variance as diffusers does.
        end: finish clean, or at row 0.
        extra: rows laid out beyond the steps and left out at the clean end (1 in diffusers' DPM-Solver).
    """

    rounded: bool = False
    start: Start = "noise"
    end: End = "clean"
    extra: int = 0

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        points = counted(steps) + max(self.extra, 0)
        top = count(schedule, points) - 1
        # Counted from the clean end, so that halves round as they do in numpy's linspace, which diffusers uses.
        rows = [float(top)] + [i * (top / (points - 1)) for i in reversed(range(points - steps, points - 1))]
        return along(schedule, [float(round(r)) for r in rows] if self.rounded else rows, self.start, self.end)


spacing = Linspace
aliases = ["Normal"]
