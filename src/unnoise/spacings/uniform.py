"""Equal steps in the schedule's own time, from pure noise to clean."""

from dataclasses import dataclass

from unnoise.core.schedule import Schedule
from unnoise.core.trajectory import Trajectory, through


@dataclass(frozen=True)
class Uniform:
    """Times 1, 1 - 1/steps, ..., 0."""

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        return through(schedule, [(steps - i) / steps for i in range(steps + 1)])


spacing = Uniform
