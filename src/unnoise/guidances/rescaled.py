"""Guidance whose output keeps the spread of the prompt's own (Lin et al. 2024, section 3.4, eq. 15 and 16)."""

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
class Rescaled:
    """Args:
    scale: as in classifier-free guidance.
    factor: 0 is plain guidance, 1 rescales fully; the paper uses 0.7.
    """

    scale: float = 4.0
    factor: float = 0.7
    space: ClassVar[Space] = "output"

    @property
    def branches(self) -> Mapping[str, Branch]:
        return pair(self.scale)

    def needs(self, level: Level) -> tuple[str, ...]:
        return tuple(self.branches)

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        positive, guided = guesses["positive"], towards(guesses, self.scale)
        axes = tuple(range(1, positive.ndim))
        kept, found = positive.std(axes, keepdim=True), guided.std(axes, keepdim=True)
        # A constant output, as an untrained network gives, has no spread to rescale.
        return guided.lerp(guided * (kept / found).where(found > 0, 1.0), self.factor)


guidance = Rescaled
