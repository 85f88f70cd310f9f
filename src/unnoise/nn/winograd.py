"""Convolutions of 3 x 3 cells with fewer multiplications (Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural
Networks").

A tile of cells and the weights are carried to a basis where the convolution is one product a component, and back to the
cells that the tile gives: 16 multiplications for 36 where they are 2 x 2, 36 for 144 where they are 4 x 4. In float32
the small tile is nearer to the exact sum than the direct way, the large one about as near, for its points are not the
paper's whole numbers (Barabasz et al. 2020, "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep
Neural Networks"). benchmarks/convolution.py times both and prints their errors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

import torch
from torch import Tensor, nn

from unnoise.nn.conv import plain

CHANNELS, MANY_CHANNELS = 128, 256
"""With fewer, the way there and back costs more than large tiles, or small ones, save."""
TILES = 64
"""Large ones, of one picture: with fewer, weights are carried over for too little, and small ones are quicker."""
CELLS = 128
"""Of all pictures: with fewer, small ones are not."""
BUDGET = 7_500_000
"""Numbers of tiles, or of weights, that are worked on at once: about as many as stay in a CPU's cache."""


@dataclass(frozen=True, eq=False)
class Basis:
    """Args:
    tile: (n², n²), what carries a tile of n x n cells over, both ways at once; the paper's B^T.
    weight: (n², 9), what carries a weight over; its G.
    back: (m², n²), what carries products back to m x m cells, n being m + 2; its A^T.
    """

    tile: Tensor
    weight: Tensor
    back: Tensor

    @property
    def cells(self) -> int:
        """A side's cells that a tile gives."""
        return int(len(self.back) ** 0.5)


def interpolating(points: Sequence[Fraction | int]) -> Basis:
    """The way that evaluates polynomials at these points and at infinity: m + 1 of them for m cells (Toom and Cook).

    A tile is a product's coefficients turned around, so that evaluation is transposed to carry products back and
    interpolation to carry tiles over (Winograd 1980).
    """
    known, last = [Fraction(point) for point in points], len(points)
    others = [[q for q in known if q != p] for p in known]
    back = [[p**power for p in known] + [int(power == last - 2)] for power in range(last - 1)]
    shares = [1 / _product(p - q for q in rest) for p, rest in zip(known, others, strict=True)]
    weight = [[share * p**power for power in range(3)] for p, share in zip(known, shares, strict=True)] + [[0, 0, 1]]
    tile = [[*_with_roots(rest), 0] for rest in others] + [_with_roots(known)]
    return Basis(*(_both_ways(matrix) for matrix in (tile, weight, back)))


def _product(factors: Iterator[Fraction]) -> Fraction:
    found = Fraction(1)
    for factor in factors:
        found *= factor
    return found


def _with_roots(roots: Sequence[Fraction]) -> list[Fraction]:
    """The coefficients, from the constant on, of the polynomial with these roots and one as its highest."""
    found = [Fraction(1)]
    for root in roots:
        found = [high - root * low for high, low in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found


def _both_ways(matrix: Sequence[Sequence[Fraction | int]]) -> Tensor:
    """What a matrix does down and across at once."""
    one = torch.tensor([[float(value) for value in row] for row in matrix], dtype=torch.float64)
    return torch.kron(one, one)


SMALL = interpolating((0, 1, -1))
LARGE = interpolating((0, Fraction(2, 3), Fraction(-2, 3), Fraction(3, 2), Fraction(-3, 2)))


def quickest(x: Tensor, weight: Tensor) -> Basis | None:
    """By what a convolution of x (B, C, H, W) takes least time, None being torch's own way."""
    if not plain(x):
        return None
    count, _, height, width = x.shape
    if -(-height // LARGE.cells) * -(-width // LARGE.cells) >= TILES:
        return LARGE if min(weight.shape[:2]) >= CHANNELS else None
    return SMALL if min(weight.shape[:2]) >= MANY_CHANNELS and count * height * width >= CELLS else None


def winograd(x: Tensor, weight: Tensor, bias: Tensor | None, basis: Basis) -> Tensor:
    """x (B, C, H, W), weight (K, C, 3, 3), bias (K,) -> (B, K, H, W): with a border of zeros, like padding=1."""
    tile, there, back = (matrix.to(x) for matrix in (basis.tile, basis.weight, basis.back))
    size, parts, room = basis.cells, len(tile), _Room(x)
    count, channels, height, width = x.shape
    kept, down, across = len(weight), -(-height // size), -(-width // size)
    cells, out = x.permute(0, 2, 3, 1), x.new_empty(count, down, size, across, size, kept)

    def carried(some: slice) -> Tensor:
        part = weight[some].reshape(-1, 9)
        found = torch.mm(there, part.T, out=room("weights", parts, len(part)))
        return found.view(parts, -1, channels).transpose(1, 2)

    def tiles(which: slice, rows: slice) -> Tensor:
        return _tiles_over(tile, cells[which], rows, across, room)

    def put(which: slice, rows: slice, some: slice, seen: Tensor, weights: Tensor) -> None:
        products = torch.bmm(seen, weights, out=room("products", parts, seen.shape[1], weights.shape[2]))
        flat = products.view(parts, -1)
        found = torch.mm(back, flat, out=room("found", size**2, flat.shape[1]))
        shape = (size, size, -1, rows.stop - rows.start, across, some.stop - some.start)
        found = found.view(shape).permute(2, 3, 0, 4, 1, 5)
        if bias is None:
            out[which, rows, ..., some] = found
        else:
            torch.add(found, bias[some], out=out[which, rows, ..., some])

    every, all_rows, all_kept = slice(0, count), slice(0, down), slice(0, kept)
    if kept > 2 * count * down * across:  # the weights are most: one part of them after the other, over all tiles
        seen = tiles(every, all_rows)
        for some in _parts(all_kept, BUDGET // (parts * channels)):
            put(every, all_rows, some, seen, carried(some))
    else:
        weights = carried(all_kept)
        for i in range(count):
            for rows in _parts(all_rows, BUDGET // (parts * across * (channels + kept))):
                which = slice(i, i + 1)
                put(which, rows, all_kept, tiles(which, rows), weights)
    return out.view(count, size * down, size * across, kept)[:, :height, :width].permute(0, 3, 1, 2)


class _Room:
    """Memory by purpose, used by one part of a convolution after the other: fresh memory costs more than its use."""

    def __init__(self, like: Tensor) -> None:
        self.like, self.held = like, dict[str, Tensor]()

    def __call__(self, purpose: str, *shape: int) -> Tensor:
        size = prod(shape)
        if purpose not in self.held or len(self.held[purpose]) < size:
            self.held[purpose] = self.like.new_empty(size)
        return self.held[purpose][:size].view(shape)


def _parts(whole: slice, most: int) -> Iterator[slice]:
    """Equal parts, but for the last, of at most so many, and at least one."""
    length = whole.stop - whole.start
    step = -(-length // -(-length // max(1, most)))
    return (slice(first, min(first + step, whole.stop)) for first in range(whole.start, whole.stop, step))


def _tiles_over(tile: Tensor, cells: Tensor, rows: slice, across: int, room: "_Room") -> Tensor:
    """Rows of tiles of cells (B, H, W, C) in the other basis, (n², tiles, C); some of a picture at a time."""
    parts, channels, size, at = len(tile), cells.shape[3], int(len(tile) ** 0.5) - 2, 0
    flat = room("tiles", parts, len(cells) * (rows.stop - rows.start) * across * channels)
    for picture in cells:
        for some in _parts(rows, BUDGET // (4 * parts * across * channels)):
            seen = _tiles(picture, some, across, size)
            here = room("cells", *seen.shape).copy_(seen).view(parts, -1)
            torch.mm(tile, here, out=flat[:, at : at + here.shape[1]])
            at += here.shape[1]
    return flat.view(parts, -1, channels)


def _tiles(cells: Tensor, rows: slice, across: int, size: int) -> Tensor:
    """Rows of tiles of a picture's cells (H, W, C), (n, n, rows, across, C); each shares two with its neighbours."""
    height, width, channels = cells.shape
    top, bottom = size * rows.start - 1, size * rows.stop + 1
    border = (0, 0, 1, size * across + 1 - width, max(-top, 0), max(bottom - height, 0))
    seen = nn.functional.pad(cells[max(top, 0) : min(bottom, height)], border)
    y, x, c = seen.stride()
    shape = (size + 2, size + 2, rows.stop - rows.start, across, channels)
    return seen.as_strided(shape, (y, x, size * y, size * x, c))
