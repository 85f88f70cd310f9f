"""A picture tile by tile: each is computed with a margin as wide as anything reaches, so that no seam can be."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor


@dataclass(frozen=True)
class Span:
    """A tile along one axis, in pixels: what of the picture it makes, and what it needs to see for that."""

    start: int
    stop: int
    seen_start: int
    seen_stop: int

    def seen(self) -> slice:
        return slice(self.seen_start, self.seen_stop)

    def made(self, scale: int) -> slice:
        """Where it stands in a result that is `scale` times as large."""
        return slice(self.start * scale, self.stop * scale)

    def kept(self, scale: int) -> slice:
        """What of its own result is kept."""
        return slice((self.start - self.seen_start) * scale, (self.stop - self.seen_start) * scale)


@dataclass(frozen=True)
class Tile:
    """A rectangle of a picture."""

    rows: Span
    columns: Span

    def of(self, picture: Tensor) -> Tensor:
        """What it sees of a picture (..., H, W)."""
        return picture[..., self.rows.seen(), self.columns.seen()]

    def put(self, result: Tensor, whole: Tensor, scale: int) -> None:
        """Put its result, of what it saw, into the whole picture's, (..., scale H, scale W)."""
        kept = result[..., self.rows.kept(scale), self.columns.kept(scale)]
        whole[..., self.rows.made(scale), self.columns.made(scale)] = kept


def tiles(height: int, width: int, side: int, reach: int) -> Iterator[Tile]:
    """The tiles of a picture, row by row: each makes at most side x side pixels and sees `reach` more on every side."""
    for rows in spans(height, side, reach):
        for columns in spans(width, side, reach):
            yield Tile(rows, columns)


def spans(length: int, side: int, reach: int) -> list[Span]:
    """The tiles along an axis, as even in length as they can be."""
    count = -(-length // side)
    cuts = [length * k // count for k in range(count + 1)]
    return [Span(a, b, max(0, a - reach), min(length, b + reach)) for a, b in pairwise(cuts)]
