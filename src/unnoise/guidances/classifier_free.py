"""Classifier-free guidance: away from the guess for the negative prompt (Ho and Salimans 2022, eq. 6).

A lerp of data guesses is the same lerp of noise, v or flow guesses, so it is taken in the data.
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
class ClassifierFree:
    """Args:
    scale: 1 leaves the prompt's own guess, more follows it more closely; 0 is the negative prompt's.
    """

    scale: float = 4.0
    space: ClassVar[Space] = "data"

    def needs(self, level: Level) -> tuple[str, ...]:
        return ("positive",) if self.scale == 1 else ("positive", "negative")

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        if "negative" not in guesses:
            return guesses["positive"]
        return guesses["negative"].lerp(guesses["positive"], self.scale)


guidance = ClassifierFree
aliases = ["cfg"]
