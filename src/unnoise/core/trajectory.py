"""The levels a run visits, noisiest first, with any level in between on request."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from unnoise.core.error import Refused
from unnoise.core.level import quieter, scalar

if TYPE_CHECKING:
    from unnoise.core.level import Level
    from unnoise.core.schedule import Schedule


@dataclass(frozen=True)
class Trajectory:
    """What a spacing makes of a schedule.

    Args:
        levels: strictly falling in noise, the last one where the run ends (clean, unless a peer's habit differs).
        schedule: where they lie on, for samplers that step off the list.
        start: the standard deviation of the noise a run starts from; the first level's sigma unless a peer starts at 1.
    """

    levels: tuple[Level, ...]
    schedule: Schedule
    start: float

    def __post_init__(self) -> None:
        if len(self.levels) < 2:
            raise Refused("a run needs at least one step", "ask for more steps or a larger strength", "steps")
        stuck = [i for i, (now, to) in enumerate(pairwise(self.levels), 1) if not quieter(to, now)]
        if stuck:
            raise Refused(
                f"this spacing repeats or reverses a level at step {stuck[0]} of {self.steps}",
                "take fewer steps, or another spacing",
                "steps",
            )

    @property
    def steps(self) -> int:
        return len(self.levels) - 1

    def step(self, level: Level) -> int:
        """The step that a shared level lies in: 0 from the first level to just before the second."""
        begun = sum(not quieter(start, level) for start in self.levels[:-1])
        return max(begun - 1, 0)

    def at(self, log_snr: float) -> Level:
        """The path's level of this log SNR."""
        return level_of(self.schedule, float(scalar(-log_snr / 2).exp()))


def level_at(schedule: Schedule, t: float) -> Level:
    """One shared level, by time."""
    if not 0 <= t <= 1:
        raise Refused(f"time {t} lies outside the schedule", "times run from 0 (clean) to 1 (noise)")
    return schedule(scalar(t))


def level_of(schedule: Schedule, ratio: float) -> Level:
    """One shared level, by sigma / alpha."""
    return schedule(schedule.time(scalar(ratio)))


def counted(steps: int) -> int:
    """The number of steps, checked."""
    if steps < 1:
        raise Refused(f"a run of {steps} steps does nothing", "ask for at least one", "steps")
    return steps


def through(schedule: Schedule, times: list[float], start: float | None = None) -> Trajectory:
    """A trajectory through the schedule's levels at these times, noisiest first."""
    levels = tuple(level_at(schedule, t) for t in times)
    return Trajectory(levels, schedule, float(levels[0].sigma) if start is None else start)
