"""Pictures varied so that what they show stays what it is: moved, resized, lit, and laid on another ground.

Hues are left alone, since colours are words. A ground is the white that a straight line reaches from an edge: so the
white of an eye stays white.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

WHITE = 0.94
"""From where on, in [-1, 1], a colour counts as white: lossy files do not hold it exactly."""


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Media (B, 3, H, W) in [-1, 1] -> the same, varied by a generator.

    Args:
        shift: how far a picture is moved at most, as a share of its side.
        scale: how much larger or smaller it becomes at most, 0.2 for 1 / 1.2 to 1.2 times.
        light: how much brighter or darker each colour becomes at most, as a share.
        ground: how often its white ground becomes any colour.
    """

    shift: float = 0.08
    scale: float = 0.2
    light: float = 0.1
    ground: float = 0.3

    def __call__(self, media: Tensor, random: torch.Generator) -> Tensor:
        count, channels = media.shape[:2]
        draws = torch.rand((count, 4 + 2 * channels), generator=random, device=random.device).to(media)
        moved = self._moved(media, draws[:, 0:2] * 2 - 1, draws[:, 2] * 2 - 1)
        light, colour = (part[:, :, None, None] for part in draws[:, 4:].chunk(2, 1))
        laid = torch.where((draws[:, 3] < self.ground)[:, None, None, None] & ground(moved), colour * 2 - 1, moved)
        return (laid + (laid + 1) * self.light * (light * 2 - 1)).clamp(-1, 1)

    def _moved(self, media: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """Shift (B, 2) and scale (B,) from -1 to 1; what comes in at an edge is more of it."""
        if not self.shift and not self.scale:
            return media
        size = (1 + self.scale) ** scale
        zero = torch.zeros_like(size)
        rows = (torch.stack([size, zero, 2 * self.shift * shift[:, 0]], 1),)
        rows += (torch.stack([zero, size, 2 * self.shift * shift[:, 1]], 1),)
        grid = F.affine_grid(torch.stack(rows, 1), list(media.shape), align_corners=False)
        return F.grid_sample(media, grid, padding_mode="border", align_corners=False)


def ground(media: Tensor) -> Tensor:
    """Where a picture (B, C, H, W) is white without a break from an edge on, bool (B, 1, H, W)."""
    white = (media.amin(1, keepdim=True) > WHITE).to(torch.uint8)
    ways = [(white.flip(axis) if back else white, axis, back) for axis in (-1, -2) for back in (False, True)]
    runs = (seen.cumprod(axis).flip(axis) if back else seen.cumprod(axis) for seen, axis, back in ways)
    return torch.stack(list(runs)).any(0)
