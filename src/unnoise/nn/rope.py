"""Rotary position embedding over any number of axes (Su et al. 2021; axial form as in Flux and DiT successors)."""

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=16)
def grid_angles(shape: tuple[int, ...], head_width: int, period: float = 100.0) -> tuple[Tensor, Tensor]:
    """Cosine and sine for every cell of a grid, float32 of shape (cells, head_width / 2) on the CPU.

    The head's pairs are split evenly over the axes; what is left over does not turn.

    Args:
        shape: the grid's sizes, one an axis.
        head_width: of one attention head, even.
        period: the longest wavelength, in cells over 2 pi.
    """
    each = head_width // 2 // len(shape)
    frequencies = period ** (-torch.arange(each, dtype=torch.float32) / each)
    axes = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in shape), indexing="ij")
    angles = torch.cat([axis.reshape(-1, 1) * frequencies for axis in axes], 1)
    still = torch.zeros(len(angles), head_width // 2 - angles.shape[1])
    angles = torch.cat([angles, still], 1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the pairs of x (B, H, N, D) by the angles (N, D / 2); pair i is (x[i], x[i + D / 2])."""
    cos, sin = (a.to(x.device, x.dtype) for a in angles)
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
