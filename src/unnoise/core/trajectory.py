"""The levels a run visits, noisiest first, with any level in between on request."""

from dataclasses import dataclass
from itertools import pairwise

import torch

from unnoise.core.error import Refused
from unnoise.core.level import Level
from unnoise.core.schedule import Schedule, level_at, level_of


@dataclass(frozen=True)
class Trajectory:
    """What a spacing makes of a schedule.

    Args:
        levels: strictly falling in noise, the last one where the run ends (clean, unless a peer's habit says otherwise).
        schedule: where they lie on, for samplers that step off the list.
        start: the standard deviation of the noise a run starts from; the first level's sigma, unless a peer starts at 1.
    """

    levels: tuple[Level, ...]
    schedule: Schedule
    start: float

    def __post_init__(self) -> None:
        ratios = [float(level.ratio) for level in self.levels]
        if len(ratios) < 2:
            raise Refused("a run needs at least one step", "ask for more steps or a larger strength", "steps")
        if not all(a > b for a, b in pairwise(ratios)):
            at = next(i for i, (a, b) in enumerate(pairwise(ratios)) if not a > b)
            raise Refused(
                f"this spacing repeats or reverses a level at step {at + 1} of {len(ratios) - 1}",
                "take fewer steps, or another spacing",
                "steps",
            )

    @property
    def steps(self) -> int:
        return len(self.levels) - 1

    def at(self, log_snr: float) -> Level:
        """The path's level of this log SNR."""
        return level_of(self.schedule, float(torch.exp(torch.tensor(-log_snr / 2, dtype=torch.float64))))


def through(schedule: Schedule, times: list[float], start: float | None = None) -> Trajectory:
    """A trajectory through the schedule's levels at these times, noisiest first."""
    levels = tuple(level_at(schedule, t) for t in times)
    return Trajectory(levels, schedule, float(levels[0].sigma) if start is None else start)
