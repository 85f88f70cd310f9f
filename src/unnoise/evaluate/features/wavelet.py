"""How much detail of each size and direction a picture has: statistics of its Haar wavelets (Mallat 1989).

Edges, blur, noise and blockiness show here; where something stands in the picture does not. Colours are taken apart
into light and two differences, then each size's three bands into a mean size and a root mean square, in logarithms.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Wavelet:
    """Values in about [0, 1]: two of each channel, and two of each band.

    Args:
        size: the side that pictures are brought to first.
        levels: how many sizes of detail, each twice as coarse; size must be a multiple of 2 ** levels.
    """

    size: int = 64
    levels: int = 4

    def __post_init__(self) -> None:
        from unnoise.core.error import Refused

        if self.levels < 1 or self.size < 1 or self.size % 2**self.levels:
            what = f"{self.size} pixels cannot be halved {self.levels} times"
            raise Refused(what, f"take a size that is a multiple of {2 ** max(1, self.levels)}", "features")

    @property
    def name(self) -> str:
        return "wavelet" if self == Wavelet() else f"wavelet {self.size}x{self.size}, {self.levels} levels"

    @property
    def digest(self) -> str:
        return f"wavelet:size={self.size},levels={self.levels}"

    def __call__(self, pictures: "Tensor") -> "Tensor":
        import torch
        import torch.nn.functional as F

        x = pictures.float() / 255
        if x.shape[-2:] != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bicubic", antialias=True)
        red, green, blue = x.unbind(1)
        x = torch.stack([(red + green + blue) / 3, red - green, (red + green) / 2 - blue], 1)
        found = [x.mean((2, 3)), x.flatten(2).std(2)]
        for _ in range(self.levels):
            a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
            x = (a + b + c + d) / 4
            for band in ((a - b + c - d) / 4, (a + b - c - d) / 4, (a - b - c + d) / 4):
                found += [_scaled(band.abs().mean((2, 3))), _scaled(band.square().mean((2, 3)).sqrt())]
        return torch.cat(found, 1)


def _scaled(size: "Tensor") -> "Tensor":
    """From 0 to 1, so that a detail of one step of 255 counts, and twice as much detail the same anywhere above."""
    return (255 * size).log1p() / math.log(256)


features = Wavelet
