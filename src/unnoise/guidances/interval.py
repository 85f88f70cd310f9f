"""Classifier-free guidance between two levels of noise only (Kynkäänniemi et al. 2024).

Outside the interval the negative branch is not even run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unnoise.core.error import Refused
from unnoise.guidances._towards import pair, towards

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.branch import Branch
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

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise Refused(f"no time lies between {self.low:g} and {self.high:g}", "let low be below high", "guidance")

    @property
    def branches(self) -> Mapping[str, Branch]:
        return pair(self.scale)

    def needs(self, level: Level) -> tuple[str, ...]:
        return tuple(self.branches) if self.low <= float(level.t) <= self.high else ("positive",)

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        return towards(guesses, self.scale)


guidance = Interval
