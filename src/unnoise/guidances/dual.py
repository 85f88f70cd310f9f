"""Two scales, one for the picture that is given and one for the words (Brooks et al. 2023, eq. 3).

free + image_scale (picture - free) + scale (positive - picture), where `picture` sees the picture and the negative
prompt, and `free` the negative prompt alone. Two equal scales are classifier-free guidance from `free`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unnoise.core.branch import NEGATIVE, POSITIVE, Branch

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.guidance import Space
    from unnoise.core.level import Level


@dataclass(frozen=True)
class Dual:
    """Args:
    scale: of the words.
    image_scale: of the picture; 1 to 2 in the paper.
    """

    scale: float = 7.5
    image_scale: float = 1.5
    space: ClassVar[Space] = "data"

    @property
    def branches(self) -> Mapping[str, Branch]:
        return {"positive": POSITIVE, "picture": NEGATIVE, "free": Branch("negative", pictures=False)}

    def needs(self, level: Level) -> tuple[str, ...]:
        return ("positive", "picture", "free")

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        by_picture = guesses["free"].lerp(guesses["picture"], self.image_scale)
        return by_picture + self.scale * (guesses["positive"] - guesses["picture"])


guidance = Dual
