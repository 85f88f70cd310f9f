"""The picture itself, small: how colours lie, and nothing of what they mean."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Pixels:
    """Values in [0, 1], of pictures shrunk by area.

    Args:
        size: the side they are shrunk to; size * size * 3 values.
    """

    size: int = 8

    def __post_init__(self) -> None:
        from unnoise.core.error import Refused

        if self.size < 1:
            raise Refused(f"pictures shrunk to a side of {self.size}", "take at least 1 pixel", "features")

    @property
    def name(self) -> str:
        return f"pixels {self.size}x{self.size}"

    @property
    def digest(self) -> str:
        return f"pixels:size={self.size}"

    def __call__(self, pictures: "Tensor") -> "Tensor":
        import torch.nn.functional as F

        return F.interpolate(pictures.float(), (self.size, self.size), mode="area").flatten(1) / 255


features = Pixels
