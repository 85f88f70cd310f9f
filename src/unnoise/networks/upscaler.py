"""A picture enlarged at one look: a bicubic enlargement, and what convolutions find to be missing from it.

All layers work where the picture is still small, and the last one's channels are unfolded into the pixels of each cell
(Shi et al. 2016). The blocks do without normalisation, which would wash out contrast (Lim et al. 2017), so what a place
becomes depends on what lies near it alone: tiles that overlap by `reach` and the whole picture agree.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.core.error import Refused
from unnoise.nn.conv import channels_last
from unnoise.nn.zero import zeroed

BICUBIC = 2
"""How far, in pixels of the given picture, a bicubic enlargement looks."""


@dataclass(frozen=True, kw_only=True)
class UpscalerConfig:
    """Args:
    scale: how many times larger a picture's sides become.
    media: the picture's channels.
    width: channels of the blocks.
    blocks: residual blocks.
    """

    scale: int = 4
    media: int = 3
    width: int = 64
    blocks: int = 8


class Upscaler(nn.Module):
    """Media (B, media, H, W) in [-1, 1] -> (B, media, scale H, scale W)."""

    Config = UpscalerConfig

    def __init__(self, config: UpscalerConfig) -> None:
        super().__init__()
        if min(config.media, config.width, config.blocks) < 1 or config.scale < 2:
            raise Refused("an upscaler's sizes are positive, and its scale is at least 2", "check them", "upscaler")
        self.config = config
        self.scale, self.channels = config.scale, config.media
        self.enter = nn.Conv2d(config.media, config.width, 3, padding=1)
        self.blocks = nn.Sequential(*(Residual(config.width) for _ in range(config.blocks)))
        self.leave = zeroed(nn.Conv2d(config.width, config.media * config.scale**2, 3, padding=1))

    @property
    def reach(self) -> int:
        """How far a pixel of the given picture is seen, in its own pixels: a convolution sees one further."""
        return max(BICUBIC, 2 + 2 * self.config.blocks)

    def forward(self, media: Tensor) -> Tensor:
        x = self.enter(channels_last(media))
        x = self.leave(F.relu(self.blocks(x)))
        return enlarged(media, self.scale) + F.pixel_shuffle(x, self.scale)


class Residual(nn.Module):
    """Two convolutions beside the way straight on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = zeroed(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.second(F.relu(self.first(x))))


def enlarged(media: Tensor, scale: int) -> Tensor:
    """The bicubic enlargement, which a network adds to."""
    return F.interpolate(media, scale_factor=float(scale), mode="bicubic", align_corners=False)


upscaler = Upscaler
