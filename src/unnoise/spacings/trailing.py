"""Every (N / steps)-th row of a table, counted from its noisy end (Lin et al. 2024, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.spacings._rows import End, Start, along, count

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class Trailing:
    """Rows N - 1, N - 1 - N / steps, ..., rounded.

    Args:
        start: begin with the level's own noise, or with unit variance as diffusers does.
        end: finish clean, or at row 0.
    """

    start: Start = "noise"
    end: End = "clean"

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        total = count(schedule, steps)
        # The difference as numpy's arange takes it, so that halves round as they do in diffusers.
        back = (total - total / steps) - total
        rows = [float(round(total + i * back) - 1) for i in range(steps)]
        return along(schedule, rows, self.start, self.end)


spacing = Trailing
