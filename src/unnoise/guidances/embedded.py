"""Guidance that the network reads as a number: it was distilled to give the guided guess at once (Meng et al. 2023).

One call a step, and no free branch, so that a negative prompt has nothing to act on (FLUX.1 dev).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unnoise.core.branch import PROMPT

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.branch import Branch
    from unnoise.core.guidance import Space
    from unnoise.core.level import Level


@dataclass(frozen=True)
class Embedded:
    """Args:
    scale: what the network is told.
    """

    scale: float = 3.5
    space: ClassVar[Space] = "data"

    @property
    def branches(self) -> Mapping[str, Branch]:
        return PROMPT

    @property
    def told(self) -> float:
        """What every condition holds beside its words."""
        return self.scale

    def needs(self, level: Level) -> tuple[str, ...]:
        return tuple(self.branches)

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        return guesses["positive"]


guidance = Embedded
