"""Every (N / steps)-th row of a table, counted from its noisy end and rounded up (ComfyUI's `simple`).

`trailing` takes the nearest rows; where the steps divide the table the two are one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.spacings._rows import along, count

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class Simple:
    """Rows N - 1 - floor(i N / steps), and then clean."""

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        total = count(schedule, steps)
        # The product as its author takes it, so that rows fall alike where N / steps is no whole number.
        return along(schedule, [float(total - 1 - int(i * (total / steps))) for i in range(steps)], "noise", "clean")


spacing = Simple
aliases = ["Simple"]
