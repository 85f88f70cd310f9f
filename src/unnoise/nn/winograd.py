"""Convolutions of 3 x 3 cells with fewer multiplications (Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural
Networks", F(2 x 2, 3 x 3)).

A tile of 4 x 4 cells and the weights are carried to a basis where the convolution is one product a component, and back
to the 2 x 2 cells that the tile gives: 16 multiplications for 36. In float32 it is nearer to the exact sum than the
direct way, and takes half to three quarters of its time in Stable Diffusion's networks (benchmarks/convolution.py).
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

CHANNELS = 256
"""With fewer, the way there and back costs more than it saves."""
CELLS = 128
"""Of all pictures: with fewer, weights are carried over for too little."""
BUDGET = 4_000_000
"""Numbers of tiles, or of weights, that are worked on at once: so many stay in a CPU's cache."""

TILE = ((1.0, 0.0, -1.0, 0.0), (0.0, 1.0, 1.0, 0.0), (0.0, -1.0, 1.0, 0.0), (0.0, 1.0, 0.0, -1.0))
WEIGHT = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))
BACK = ((1.0, 1.0, 1.0, 0.0), (0.0, 1.0, -1.0, -1.0))
"""The paper's B^T, G and A^T."""


def pays(x: Tensor, weight: Tensor) -> bool:
    """Whether `winograd` is the quicker way: on a CPU, in float32, where nothing is recorded for a gradient."""
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    wide = x.ndim == 4 and min(weight.shape[:2]) >= CHANNELS and x.shape[0] * x.shape[2] * x.shape[3] >= CELLS
    return plain and wide and not torch.is_grad_enabled() and not torch.compiler.is_compiling()


def winograd(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x (B, C, H, W), weight (K, C, 3, 3), bias (K,) -> (B, K, H, W): with a border of zeros, like padding=1."""
    tile, there, back = (_both_ways(matrix, x) for matrix in (TILE, WEIGHT, BACK))
    count, channels, height, width = x.shape
    kept, down, across = len(weight), -(-height // 2), -(-width // 2)
    cells, out = x.permute(0, 2, 3, 1), x.new_empty(count, down, 2, across, 2, kept)

    def carried(some: slice) -> Tensor:
        return (there @ weight[some].reshape(-1, 9).T).view(16, -1, channels).transpose(1, 2)

    def tiles(which: slice, rows: slice) -> Tensor:
        return (tile @ _tiles(cells[which], rows, across).reshape(16, -1)).view(16, -1, channels)

    def put(which: slice, rows: slice, some: slice, products: Tensor) -> None:
        found = (back @ products.view(16, -1)).view(2, 2, -1, rows.stop - rows.start, across, some.stop - some.start)
        found = found.permute(2, 3, 0, 4, 1, 5)
        out[which, rows, ..., some] = found if bias is None else found + bias[some]

    every, all_rows, all_kept = slice(0, count), slice(0, down), slice(0, kept)
    if kept > 2 * count * down * across:  # the weights are most: one part of them after the other, over all tiles
        seen = tiles(every, all_rows)
        for some in _parts(kept, BUDGET // (16 * channels)):
            put(every, all_rows, some, torch.bmm(seen, carried(some)))
    else:
        weights = carried(all_kept)
        for i in range(count):
            for rows in _parts(down, BUDGET // (16 * across * (channels + kept))):
                which = slice(i, i + 1)
                put(which, rows, all_kept, torch.bmm(tiles(which, rows), weights))
    return out.view(count, 2 * down, 2 * across, kept)[:, :height, :width].permute(0, 3, 1, 2)


def _parts(length: int, most: int) -> Iterator[slice]:
    """Equal parts of a length, but for the last, of at most so many, and at least one."""
    step = -(-length // -(-length // max(1, most)))
    return (slice(first, min(first + step, length)) for first in range(0, length, step))


def _both_ways(matrix: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    """What a matrix does down and across at once."""
    one = like.new_tensor(matrix)
    return torch.kron(one, one)


def _tiles(cells: Tensor, rows: slice, across: int) -> Tensor:
    """Rows of tiles of cells (B, H, W, C), (4, 4, B, rows, across, C); each shares two cells with its neighbours."""
    count, height, width, channels = cells.shape
    top, bottom = 2 * rows.start - 1, 2 * rows.stop + 1
    border = (0, 0, 1, 2 * across + 1 - width, max(-top, 0), max(bottom - height, 0))
    seen = nn.functional.pad(cells[:, max(top, 0) : min(bottom, height)], border)
    n, y, x, c = seen.stride()
    return seen.as_strided((4, 4, count, rows.stop - rows.start, across, channels), (y, x, n, 2 * y, 2 * x, c))
