"""What guidances away from a weakened view of the network share: all but which part is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from unnoise.core.branch import Branch, View
from unnoise.core.error import Refused
from unnoise.guidances._towards import pair, towards

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.guidance import Space
    from unnoise.core.level import Level


@dataclass(frozen=True)
class Weaker:
    """Args:
    scale: of classifier-free guidance, which goes beside it; 1 for none.
    strength: how far from the weakened network's guess.
    layers: which are weakened, from 0; without any, the middle one. A U-Net's are its attention layers.
    low, high: times of the schedule between which it works beside classifier-free guidance.
    """

    scale: float = 4.0
    strength: float = 3.0
    layers: tuple[int, ...] = ()
    low: float = 0.0
    high: float = 1.0
    space: ClassVar[Space] = "data"
    change: ClassVar[Literal["apart", "skipped"]] = "apart"

    def __post_init__(self) -> None:
        if self.strength == 0 or self.low > self.high:
            raise Refused(
                f"the guidance '{type(self).__module__.rpartition('.')[2]}' would change nothing",
                "give a strength, and let low be below high",
                "guidance",
            )

    @property
    def branches(self) -> Mapping[str, Branch]:
        return {**pair(self.scale), self.change: Branch(view=View(self.change, self.layers))}

    def needs(self, level: Level) -> tuple[str, ...]:
        inside = self.low <= float(level.t) <= self.high
        return tuple(self.branches if inside else pair(self.scale))

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        guided = towards(guesses, self.scale)
        if self.change not in guesses:
            return guided
        return guided + self.strength * (guesses["positive"] - guesses[self.change])
