"""Every (N // steps)-th row of a table, counted from its clean end (DDIM's original spacing)."""

from dataclasses import dataclass

from unnoise.core.schedule import Schedule
from unnoise.core.trajectory import Trajectory
from unnoise.spacings._rows import End, Start, along, count


@dataclass(frozen=True)
class Leading:
    """Rows offset, offset + N // steps, ...; never the noisiest.

    Args:
        offset: added to every row (1 in SD 1 and 2).
        start: begin with the level's own noise, or with unit variance as diffusers does.
        end: finish clean, or at row 0 (diffusers' set_alpha_to_one=False).
    """

    offset: int = 0
    start: Start = "noise"
    end: End = "clean"

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        stride = count(schedule, steps) // steps
        rows = [float(i * stride + self.offset) for i in reversed(range(steps))]
        return along(schedule, rows, self.start, self.end)


spacing = Leading
