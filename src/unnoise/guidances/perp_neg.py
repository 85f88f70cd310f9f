"""Perp-Neg: away from that part of the negative prompt which the prompt itself does not hold (Armandpour et al. 2023).

With p and n the differences of the two prompts' guesses from the free one, the guess is free + scale (p - weight n'),
where n' is n less its projection on p.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unnoise.core.branch import FREE, NEGATIVE, POSITIVE, Branch
from unnoise.core.error import Refused

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.guidance import Space
    from unnoise.core.level import Level


@dataclass(frozen=True)
class PerpNeg:
    """Args:
    scale: as in classifier-free guidance, from the guess without any prompt.
    weight: of the negative prompt, beside the prompt's 1.
    """

    scale: float = 4.0
    weight: float = 1.0
    space: ClassVar[Space] = "data"

    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise Refused("a negative prompt turns away", "its weight is greater than 0", "guidance")

    @property
    def branches(self) -> Mapping[str, Branch]:
        return {"positive": POSITIVE, "negative": NEGATIVE, "free": FREE}

    def needs(self, level: Level) -> tuple[str, ...]:
        return ("positive", "negative", "free")

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        free = guesses["free"]
        want, away = guesses["positive"] - free, guesses["negative"] - free
        axes = tuple(range(1, free.ndim))
        size = want.square().sum(axes, keepdim=True)
        across = away - (away * want).sum(axes, keepdim=True) / size.where(size > 0, 1.0) * want
        return free + self.scale * (want - self.weight * across)


guidance = PerpNeg
aliases = ["Perp-Neg"]
