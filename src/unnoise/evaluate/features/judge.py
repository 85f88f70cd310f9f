"""What the judge sees of a picture before it compares it with words: what a thing is, more than how it is drawn.

The judge was trained on real pictures and their words (recipe `emoji_judge`). Distances between sets are taken before
the sphere, as with Inception's last pooling (Heusel et al. 2017).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class JudgeFeatures:
    """Values of the judge's last level, the mean over the picture.

    Args:
        file: the judge, by name or file.
    """

    file: str = "emoji_judge"

    @staticmethod
    def reads(path: Path) -> bool:
        """Whether a file holds a judge."""
        from unnoise.weights.parts import held

        return "eye" in held(path)

    @property
    def name(self) -> str:
        return Path(self.file).stem

    @cached_property
    def digest(self) -> str:
        from unnoise.evaluate.judge import located
        from unnoise.weights.digest import sha256

        return sha256(located(self.file))

    def __call__(self, pictures: "Tensor") -> "Tensor":
        from unnoise.evaluate.judge import opened

        return opened(self.file).looks(pictures)


features = JudgeFeatures
