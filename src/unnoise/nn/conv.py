"""Pictures made half or twice as large, laid out in memory as convolutions like them; and which may go ways of ours."""

from typing import Literal

import torch
from torch import Tensor, nn

Way = Literal["down", "up"]


def halve(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, H / 2, W / 2), each cell the mean of four."""
    return nn.functional.avg_pool2d(x, 2)


def double(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2 H, 2 W), each cell repeated."""
    return nn.functional.interpolate(x, scale_factor=2, mode="nearest")


class Resample(nn.Module):
    """A picture at half or twice its size, through a convolution of its own.

    Args:
        channels: in and out.
        way: `down` strides, `up` repeats cells and then smooths.
    """

    def __init__(self, channels: int, way: Way) -> None:
        super().__init__()
        self.way = way
        self.conv = nn.Conv2d(channels, channels, 3, stride=2 if way == "down" else 1, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, channels, H / 2, W / 2) or (B, channels, 2 H, 2 W)"""
        return self.conv(x if self.way == "down" else double(x))


def channels_last(x: Tensor) -> Tensor:
    """The same picture (B, C, H, W) with each cell's channels side by side in memory.

    Layers keep the layout of what they are given, so that one call where channels become many is enough; weights may
    stay as files hold them.
    """
    return x.contiguous(memory_format=torch.channels_last)


def plain(x: Tensor) -> bool:
    """Whether a convolution of x may go another way than torch's: float32 pictures (B, C, H, W) on a CPU, where nothing
    is recorded for a gradient or a compiler."""
    here = x.ndim == 4 and x.device.type == "cpu" and x.dtype == torch.float32
    return here and not (torch.is_autocast_enabled("cpu") or torch.is_grad_enabled() or torch.compiler.is_compiling())
