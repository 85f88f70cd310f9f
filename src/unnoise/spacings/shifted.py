"""Equal steps in time, pushed towards noise as large pictures need (Esser et al. 2024, eq. 23).

t -> shift t / (1 + (shift - 1) t). A shift of exp(mu) is diffusers' and Flux's dynamic shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.error import Refused
from unnoise.core.trajectory import counted, through

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class Shifted:
    """Times of `uniform` (or, with `low`, from 1 to low and then clean), shifted.

    Args:
        shift: 1 changes nothing; 3 is SD3's for 1024 px.
        low: the least time before clean, unshifted; 0 takes equal steps down to clean.
    """

    shift: float = 3.0
    low: float = 0.0

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        if self.shift <= 0:
            raise Refused(f"a shift of {self.shift} reverses time", "shifts are greater than 0", "spacing")
        counted(steps)
        if self.low:
            times = [1 - (1 - self.low) * i / max(steps - 1, 1) for i in range(steps)] + [0.0]
        else:
            times = [(steps - i) / steps for i in range(steps + 1)]
        return through(schedule, [self.shift * t / (1 + (self.shift - 1) * t) for t in times])


spacing = Shifted
