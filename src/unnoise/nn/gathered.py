"""Convolutions of few cells as one product (Chellapilla, Puri & Simard 2006, "High Performance Convolutional Neural
Networks for Document Processing"): what each cell sees is gathered in a row, and weights are gone through once, as they
lie.

torch lays the weights out anew in each call, which costs more than such a product, and as much memory as they take.
benchmarks/convolution.py times both.
"""

import torch
from torch import Tensor, nn

from unnoise.nn.conv import plain

CELLS = 128
"""Of all pictures that come out: with more, or with more than a quarter of the channels, weights are no longer most."""


def few(x: Tensor, weight: Tensor, stride: int) -> bool:
    """Whether a convolution of x (B, C, H, W) gives so few cells that one product takes least time."""
    if not plain(x):
        return False
    count, _, height, width = x.shape
    return count * -(-height // stride) * -(-width // stride) <= min(CELLS, min(weight.shape[:2]) // 4)


def gathered(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """x (B, C, H, W), weight (K, C, 3, 3), bias (K,) -> (B, K, H / stride, W / stride), sides rounded up: with a border
    of zeros, like padding=1."""
    count, channels, height, width = x.shape
    down, across = -(-height // stride), -(-width // stride)
    seen = nn.functional.unfold(x, 3, padding=1, stride=stride)  # (B, 9 C, cells)
    rows, flat = seen.transpose(1, 2).reshape(-1, 9 * channels), weight.reshape(len(weight), -1).T
    found = torch.mm(rows, flat) if bias is None else torch.addmm(bias, rows, flat)
    return found.view(count, down, across, len(weight)).permute(0, 3, 1, 2)
