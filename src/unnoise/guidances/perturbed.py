"""Perturbed-attention guidance: away from the guess of a network that sees no structure (Ahn et al. 2024).

In some layers every cell attends to itself alone, so that each keeps its content and knows nothing of the whole.
Classifier-free guidance goes beside it, and both add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unnoise.core.branch import Branch, View
from unnoise.core.error import Refused
from unnoise.guidances._towards import pair, towards

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.guidance import Space
    from unnoise.core.level import Level


@dataclass(frozen=True)
class Perturbed:
    """Args:
    scale: of classifier-free guidance; 1 for none.
    strength: how far from the weakened network's guess.
    layers: whose attention is perturbed, from 0; without any, the middle one. A U-Net's are its attention layers.
    low, high: times of the schedule between which it works beside classifier-free guidance.
    """

    scale: float = 4.0
    strength: float = 3.0
    layers: tuple[int, ...] = ()
    low: float = 0.0
    high: float = 1.0
    space: ClassVar[Space] = "data"

    def __post_init__(self) -> None:
        if self.strength == 0 or self.low > self.high:
            raise Refused(
                "the guidance 'perturbed' would change nothing",
                "give a strength, and let low be below high",
                "guidance",
            )

    @property
    def branches(self) -> Mapping[str, Branch]:
        return {**pair(self.scale), "perturbed": Branch(view=View("apart", self.layers))}

    def needs(self, level: Level) -> tuple[str, ...]:
        inside = self.low <= float(level.t) <= self.high
        return tuple(self.branches if inside else pair(self.scale))

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        guided = towards(guesses, self.scale)
        if "perturbed" not in guesses:
            return guided
        return guided + self.strength * (guesses["positive"] - guesses["perturbed"])


guidance = Perturbed
aliases = ["PAG"]
