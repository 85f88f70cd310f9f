"""Equal steps over a table's rows that leave out the last one, row 0 (Stability AI's generative-models)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.spacings._rows import along, count

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class SGMUniform:
    """Rows N - 1 to 0 in one step more than asked for, fractional, and clean in row 0's place."""

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        top = count(schedule, steps) - 1
        return along(schedule, [top * (1 - i / steps) for i in range(steps)], "noise", "clean")


spacing = SGMUniform
aliases = ["SGM Uniform"]
