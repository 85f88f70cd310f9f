"""Classifier-free guidance: away from the guess for the negative prompt (Ho and Salimans 2022, eq. 6).

A lerp of data guesses is the same lerp of noise, v or flow guesses, so it is taken in the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unnoise.guidances._towards import pair, towards

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.branch import Branch
    from unnoise.core.guidance import Space
    from unnoise.core.level import Level


@dataclass(frozen=True)
class ClassifierFree:
    """Args:
    scale: 1 leaves the prompt's own guess, more follows it more closely; 0 is the negative prompt's.
    """

    scale: float = 4.0
    space: ClassVar[Space] = "data"

    @property
    def branches(self) -> Mapping[str, Branch]:
        return pair(self.scale)

    def needs(self, level: Level) -> tuple[str, ...]:
        return tuple(self.branches)

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        return towards(guesses, self.scale)


guidance = ClassifierFree
aliases = ["cfg"]
