"""Classifier-free guidance between two levels of noise only (Kynkäänniemi et al. 2024).

Outside the interval the negative branch is not even run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.guidance import Space
    from unnoise.core.level import Level


@dataclass(frozen=True)
class Interval:
    """Args:
    scale: as in classifier-free guidance.
    low, high: times of the schedule between which it works, 0 (clean) to 1 (noise).
    """

    scale: float = 4.0
    low: float = 0.1
    high: float = 0.8
    space: ClassVar[Space] = "data"

    def needs(self, level: Level) -> tuple[str, ...]:
        inside = self.low <= float(level.t) <= self.high and self.scale != 1
        return ("positive", "negative") if inside else ("positive",)

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        if "negative" not in guesses:
            return guesses["positive"]
        return guesses["negative"].lerp(guesses["positive"], self.scale)


guidance = Interval
