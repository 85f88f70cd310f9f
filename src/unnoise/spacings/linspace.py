"""Equal steps over a table's rows, both ends included (diffusers' default for Euler and DPM-Solver)."""

from dataclasses import dataclass

from unnoise.core.schedule import Schedule
from unnoise.core.trajectory import Trajectory
from unnoise.spacings._rows import End, Start, along, count


@dataclass(frozen=True)
class Linspace:
    """Rows N - 1 to 0 in equal steps, then clean.

    Args:
        rounded: to whole rows, as diffusers does for all but Euler's family.
        start: begin with the level's own noise, or with unit variance as diffusers does.
        end: finish clean, or at row 0.
    """

    rounded: bool = False
    start: Start = "noise"
    end: End = "clean"

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        top = count(schedule, steps) - 1
        rows = [top * (1 - i / max(steps - 1, 1)) for i in range(steps)]
        return along(schedule, [float(round(r)) for r in rows] if self.rounded else rows, self.start, self.end)


spacing = Linspace
