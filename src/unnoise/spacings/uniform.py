"""Equal steps in the schedule's own time, from pure noise to clean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.trajectory import counted, through

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class Uniform:
    """Times 1, 1 - 1/steps, ..., 0."""

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        return through(schedule, [(steps - i) / steps for i in range(counted(steps) + 1)])


spacing = Uniform
