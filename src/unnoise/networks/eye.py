"""A picture as a direction: convolutions, their mean over the picture, and a projection onto the unit sphere.

Words are laid on the same sphere by a text transformer, so that the angle between the two tells how well they fit
(Radford et al. 2021). Cells of `patch` x `patch` pixels are folded into channels at once, where a CPU spends least, and
most parameters work where the picture is small.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.core.condition import Condition, condition
from unnoise.core.error import Refused
from unnoise.nn.conv import channels_last
from unnoise.nn.norm import GroupNorm
from unnoise.nn.zero import zeroed


@dataclass(frozen=True, kw_only=True)
class EyeConfig:
    """Args:
    size: the side in pixels that pictures are brought to.
    media: the picture's channels.
    patch: the side of the cells of pixels that are folded into channels.
    widths: of each level, every one half the size of the one before.
    blocks: residual blocks a level.
    out: axes of the sphere.
    """

    size: int = 64
    media: int = 3
    patch: int = 4
    widths: tuple[int, ...] = (32, 96, 256)
    blocks: int = 1
    out: int = 192

    @property
    def scale(self) -> int:
        """How many pixels wide a cell of the last level is."""
        return self.patch * 2 ** (len(self.widths) - 1)


@condition
class Read(Condition):
    """What a text transformer made of words, for an eye to compare with: `pooled` (B, out), the whole text.

    context: (B, L, out) token vectors. mask: (B, L) True where a token counts.
    """

    sequences: ClassVar[dict[str, str]] = {"context": "mask"}
    context: Tensor | None = None
    mask: Tensor | None = None
    pooled: Tensor | None = None


class Eye(nn.Module):
    """Media (B, media, H, W) in [-1, 1], of any size -> directions (B, out), each of length one."""

    Config = EyeConfig
    Condition = Read

    def __init__(self, config: EyeConfig) -> None:
        super().__init__()
        c = config
        if not c.widths or min(c.size, c.media, c.patch, *c.widths, c.blocks, c.out) < 1 or c.size % c.scale:
            what = "an eye's sizes are positive, and its pictures whole cells of its last level"
            raise Refused(what, "give at least one width, and a size that they divide", "eye")
        self.config = config
        self.layers = levels(c.media * c.patch**2, c.widths, c.blocks)
        self.norm = GroupNorm(c.widths[-1])
        self.leave = nn.Linear(c.widths[-1], c.out)
        # How much an angle counts where pictures and words are compared; 1 / 0.07 to begin with, as in CLIP.
        self.log_scale = nn.Parameter(torch.tensor(-math.log(0.07)))

    def cells(self, media: Tensor) -> Tensor:
        """What is seen where: (B, widths[-1], size / scale, size / scale)."""
        x = channels_last(F.pixel_unshuffle(brought(media, self.config.size), self.config.patch))
        return F.silu(self.norm(self.layers(x)))

    def look(self, media: Tensor) -> Tensor:
        """What is seen anywhere, before it is laid on the sphere: (B, widths[-1])."""
        return self.cells(media).mean((2, 3))

    def forward(self, media: Tensor) -> Tensor:
        return direction(self.leave(self.look(media)))


class Residual(nn.Module):
    """Two convolutions beside the way straight on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = GroupNorm(width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = zeroed(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first(F.silu(self.norm(x)))
        return torch.add(x, self.second(F.silu(inner)))


def levels(channels: int, widths: Sequence[int], blocks: int) -> nn.Sequential:
    """Pictures folded into so many channels -> (B, widths[-1], ...), half the size at each level but the first."""
    layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 3, padding=1)]
    for level, width in enumerate(widths):
        if level:
            layers += [nn.PixelUnshuffle(2), nn.Conv2d(4 * widths[level - 1], width, 1)]
        layers += [Residual(width) for _ in range(blocks)]
    return nn.Sequential(*layers)


def brought(media: Tensor, size: int) -> Tensor:
    """Media (B, C, H, W) in [-1, 1] at size x size."""
    if media.shape[-2:] == (size, size):
        return media
    return F.interpolate(media, (size, size), mode="bicubic", antialias=True).clamp(-1, 1)


def direction(x: Tensor) -> Tensor:
    """Vectors (B, D) brought to length one, in float32."""
    return F.normalize(x.float(), dim=-1)


eye = Eye
