"""Every (N // steps)-th row of a table, counted from its clean end (DDIM's original spacing)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.trajectory import counted
from unnoise.spacings._rows import End, Start, along, count

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class Leading:
    """Rows offset, offset + N // steps, ...; never the noisiest.

    Args:
        offset: added to every row (1 in SD 1 and 2).
        start: begin with the level's own noise, or with unit variance as diffusers does.
        end: finish clean, or at row 0 (diffusers' set_alpha_to_one=False).
        extra: rows laid out beyond the steps and left out at the clean end (1 in diffusers' DPM-Solver).
    """

    offset: int = 0
    start: Start = "noise"
    end: End = "clean"
    extra: int = 0

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        points = counted(steps) + max(self.extra, 0)
        stride = count(schedule, points) // points
        rows = [float(i * stride + self.offset) for i in reversed(range(points - steps, points))]
        return along(schedule, rows, self.start, self.end)


spacing = Leading
aliases = {"DDIM Uniform": "leading:offset=1"}
