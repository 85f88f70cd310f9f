"""Convolutions of 3 x 3 cells with fewer multiplications (Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural
Networks", F(2 x 2, 3 x 3)).

A tile of 4 x 4 cells and the weights are carried to a basis where the convolution is one product a component, and back
to the 2 x 2 cells that the tile gives: 16 multiplications for 36. In float32 it is nearer to the exact sum than the
direct way, and takes two thirds of its time in the shapes of Stable Diffusion's networks (benchmarks/convolution.py).
"""

import torch
from torch import Tensor, nn

CHANNELS = 256
"""With fewer, the way there and back costs more than it saves."""
CELLS = 512
"""Of all pictures: with fewer, weights are carried over for too little."""
BUDGET = 4_000_000
"""Numbers of the tiles that are worked on at once: so many stay in a CPU's cache."""

TILE = ((1.0, 0.0, -1.0, 0.0), (0.0, 1.0, 1.0, 0.0), (0.0, -1.0, 1.0, 0.0), (0.0, 1.0, 0.0, -1.0))
WEIGHT = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))
BACK = ((1.0, 1.0, 1.0, 0.0), (0.0, 1.0, -1.0, -1.0))
"""The paper's B^T, G and A^T."""


def pays(x: Tensor, weight: Tensor) -> bool:
    """Whether `winograd` is the quicker way: on a CPU, in float32, where nothing is recorded for a gradient."""
    wide = min(weight.shape[:2]) >= CHANNELS and x.shape[0] * x.shape[2] * x.shape[3] >= CELLS
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_grad_enabled()
    return wide and plain and not torch.compiler.is_compiling()


def winograd(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x (B, C, H, W), weight (K, C, 3, 3), bias (K,) -> (B, K, H, W): with a border of zeros, like padding=1."""
    tile, there, back = (_both_ways(matrix, x) for matrix in (TILE, WEIGHT, BACK))
    count, channels, height, width = x.shape
    kept = len(weight)
    weights = (there @ weight.reshape(-1, 9).T).view(16, kept, channels).transpose(1, 2)
    down, across = -(-height // 2), -(-width // 2)
    out = x.new_empty(count, down, 2, across, 2, kept)
    step = max(1, BUDGET // (16 * across * (channels + kept)))
    for i, cells in enumerate(x.permute(0, 2, 3, 1)):
        for first in range(0, down, step):
            last = min(first + step, down)
            tiles = _tiles(cells, first, last, across).reshape(16, -1)
            products = torch.bmm((tile @ tiles).view(16, -1, channels), weights)
            found = (back @ products.view(16, -1)).view(2, 2, last - first, across, kept).permute(2, 0, 3, 1, 4)
            out[i, first:last] = found if bias is None else found + bias
    return out.view(count, 2 * down, 2 * across, kept)[:, :height, :width].permute(0, 3, 1, 2)


def _both_ways(matrix: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    """What a matrix does down and across at once."""
    one = like.new_tensor(matrix)
    return torch.kron(one, one)


def _tiles(cells: Tensor, first: int, last: int, across: int) -> Tensor:
    """Rows of tiles of cells (H, W, C), (4, 4, last - first, across, C); each shares two cells with its neighbours."""
    height, width, channels = cells.shape
    top, bottom = 2 * first - 1, 2 * last + 1
    rows = cells[max(top, 0) : min(bottom, height)]
    border = (0, 0, 1, 2 * across + 1 - width, max(-top, 0), max(bottom - height, 0))
    rows = nn.functional.pad(rows, border)
    y, x, c = rows.stride()
    return rows.as_strided((4, 4, last - first, across, channels), (y, x, 2 * y, 2 * x, c))
