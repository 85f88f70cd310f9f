"""The levels you name: `listed:sigmas=14.6 7 3 1 0.3`, or the same in the schedule's time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.error import Refused
from unnoise.core.trajectory import Trajectory, level_at, level_of
from unnoise.spacings._rows import Start

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule


@dataclass(frozen=True)
class Listed:
    """A clean level is added at the end unless it is there.

    Args:
        sigmas: values of sigma / alpha, falling.
        times: or times of the schedule, falling from at most 1.
        start: begin with the first level's own noise, or with unit variance as some of diffusers' schedulers do.
    """

    sigmas: tuple[float, ...] = ()
    times: tuple[float, ...] = ()
    start: Start = "noise"

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        if bool(self.sigmas) == bool(self.times):
            raise Refused("the spacing 'listed' needs its levels", "give sigmas=... or times=..., not both", "spacing")
        levels = [level_of(schedule, s) for s in self.sigmas] or [level_at(schedule, t) for t in self.times]
        if not levels[-1].clean:
            levels.append(level_at(schedule, 0.0))
        if len(levels) - 1 != steps:
            raise Refused(f"{len(levels) - 1} levels are listed for {steps} steps", "let the two agree", "steps")
        return Trajectory(tuple(levels), schedule, 1.0 if self.start == "unit" else float(levels[0].sigma))


spacing = Listed
