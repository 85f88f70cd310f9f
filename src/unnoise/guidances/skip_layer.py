"""Skip-layer guidance: away from the guess of the same network without some of its layers (Stable Diffusion 3.5).

Hyung et al. 2024 derive it for video transformers. Classifier-free guidance goes beside it, and both add up.
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
class SkipLayer:
    """Args:
    scale: of classifier-free guidance; 1 for none.
    strength: how far from the weakened network's guess.
    layers: which are left out, from 0; without any, the middle one. A U-Net's are its attention layers.
    low, high: times of the schedule between which it works beside classifier-free guidance.
    """

    scale: float = 4.0
    strength: float = 2.8
    layers: tuple[int, ...] = ()
    low: float = 0.0
    high: float = 1.0
    space: ClassVar[Space] = "data"

    def __post_init__(self) -> None:
        if self.strength == 0 or self.low > self.high:
            raise Refused(
                "the guidance 'skip_layer' would change nothing",
                "give a strength, and let low be below high",
                "guidance",
            )

    @property
    def branches(self) -> Mapping[str, Branch]:
        return {**pair(self.scale), "skipped": Branch(view=View("skipped", self.layers))}

    def needs(self, level: Level) -> tuple[str, ...]:
        inside = self.low <= float(level.t) <= self.high
        return tuple(self.branches if inside else pair(self.scale))

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        guided = towards(guesses, self.scale)
        if "skipped" not in guesses:
            return guided
        return guided + self.strength * (guesses["positive"] - guesses["skipped"])


guidance = SkipLayer
aliases = ["SLG"]
