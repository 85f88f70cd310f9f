"""Adaptive projected guidance: the part of guidance that saturates is damped (Sadat et al. 2024, algorithm 1).

Of the difference of the two data guesses, the part along the prompt's guess saturates and the part across it adds
detail: `eta` weighs the first. A running sum with a negative factor takes back what earlier steps pushed, and a
threshold bounds how far one step goes. eta = 1, momentum = 0 and threshold = 0 are classifier-free guidance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from unnoise.core.state import remember
from unnoise.guidances._towards import pair

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.branch import Branch
    from unnoise.core.guidance import Space
    from unnoise.core.level import Level


@dataclass(frozen=True)
class APG:
    """One is made for each run, since it remembers.

    Args:
        scale: as in classifier-free guidance.
        eta: the weight of the part along the prompt's guess.
        momentum: of the running sum of differences; 0 keeps none.
        threshold: the largest norm of a sample's difference; 0 for any.
    """

    scale: float = 4.0
    eta: float = 0.0
    momentum: float = -0.5
    threshold: float = 15.0
    space: ClassVar[Space] = "data"
    _sum: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def branches(self) -> Mapping[str, Branch]:
        return pair(self.scale)

    def needs(self, level: Level) -> tuple[str, ...]:
        return tuple(self.branches)

    def memory(self) -> Mapping[str, Tensor]:
        return dict(self._sum)

    def with_memory(self, memory: Mapping[str, Tensor]) -> APG:
        made = replace(self)
        made._sum.update({name: value for name, value in memory.items() if name == "apg.sum"})
        return made

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        positive = guesses["positive"]
        if "negative" not in guesses:
            return positive
        apart, axes = positive - guesses["negative"], tuple(range(1, positive.ndim))
        if self.momentum:
            apart = apart + self.momentum * self._sum["apg.sum"] if self._sum else apart
            self._sum.update(remember("apg", sum=apart))
        if self.threshold:
            norm = apart.square().sum(axes, keepdim=True).sqrt()
            apart = apart * (self.threshold / norm).clamp(max=1)
        size = positive.square().sum(axes, keepdim=True)
        along = (apart * positive).sum(axes, keepdim=True) / size.where(size > 0, 1.0) * positive
        return positive + (self.scale - 1) * (apart - along + self.eta * along)


guidance = APG
