"""Autoguidance: away from a worse version of the model, for the same prompt (Karras et al. 2024a, eq. 3).

The weak model may be smaller, less trained, or the same with a shorter average of its weights. It has its own
conditioner and predicts what it likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unnoise.core.branch import POSITIVE, Branch
from unnoise.core.error import Refused

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.guidance import Space
    from unnoise.core.level import Level


@dataclass(frozen=True)
class Auto:
    """Args:
    model: the weak model's name or file.
    scale: 1 leaves the model's own guess, more moves away from the weak one's.
    """

    model: str = ""
    scale: float = 2.0
    space: ClassVar[Space] = "data"

    @property
    def branches(self) -> Mapping[str, Branch]:
        if not self.model:
            raise Refused("autoguidance needs a weak model", "write auto:model=NAME", "guidance")
        return {"positive": POSITIVE, "weak": Branch(model=self.model)}

    def needs(self, level: Level) -> tuple[str, ...]:
        return ("positive",) if self.scale == 1 else ("positive", "weak")

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        return guesses["weak"].lerp(guesses["positive"], self.scale) if "weak" in guesses else guesses["positive"]


guidance = Auto
aliases = ["autoguidance"]
