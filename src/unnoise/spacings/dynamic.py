"""Equal steps in time, pushed towards noise by the sample's size (Flux's and diffusers' dynamic shift).

`shifted` with a shift of exp(mu), mu on a straight line through `base` at 256 tokens and `most` at 4096.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.error import Refused
from unnoise.spacings.shifted import Shifted

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule
    from unnoise.core.trajectory import Trajectory

SMALL, LARGE = 256, 4096


@dataclass(frozen=True)
class Dynamic:
    """Args:
    base: mu where the sample has 256 tokens.
    most: mu where it has 4096, 1024 px in Flux.
    patch: a token's side, in samples.
    low: as in `shifted`.
    """

    base: float = 0.5
    most: float = 1.15
    patch: int = 2
    low: float = 0.0

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        return Shifted(math.exp(self.mu(shape)), self.low)(schedule, steps, shape)

    def mu(self, shape: tuple[int, ...]) -> float:
        """The logarithm of the shift for samples of shape (C, ..., H, W), or (C, N)."""
        if len(shape) < 2 or self.patch < 1:
            raise Refused(
                "the spacing 'dynamic' goes by the sample's size", "give the size, and a patch from 1", "spacing"
            )
        tokens = math.prod(side // self.patch for side in shape[1:])
        return self.base + (self.most - self.base) * (tokens - SMALL) / (LARGE - SMALL)


spacing = Dynamic
aliases = ["Dynamic shift"]
