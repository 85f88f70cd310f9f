"""Where things stand: boxes that never touch each other or the picture's edge."""

from collections.abc import Sequence
from random import Random

from unnoise.data.scenes.scene import Axis, Box

MARGIN = 0.03
GAP = 0.04  # at 64 pixels still one to be seen, rounded as it may be
WHOLE = Box(MARGIN, MARGIN, 1 - 2 * MARGIN, 1 - 2 * MARGIN)

ROWS = {
    1: ((1,),),
    2: ((2,), (1, 1)),
    3: ((3,), (1, 2), (2, 1), (1, 1, 1)),
    4: ((2, 2), (2, 2), (4,), (1, 3), (3, 1), (1, 2, 1)),
    5: ((2, 3), (3, 2), (1, 3, 1), (2, 1, 2)),
}
"""How many stand in each row, for each count."""


def grouped(count: int, ratio: float, region: Box, longest: float, draw: Random) -> tuple[Box, ...]:
    """Boxes for several of a kind, all of one size.

    Args:
        ratio: a thing's width over its height.
        region: what they must stay in.
        longest: how long the longer side may be; shorter where they would not fit.
    """
    rows = draw.choice(_fitting(count, ratio, region))
    cell_width = (region.width + GAP) / max(rows) - GAP
    cell_height = (region.height + GAP) / len(rows) - GAP
    width = min(cell_width, cell_height * ratio, longest * min(1.0, ratio))
    height = width / ratio
    boxes: list[Box] = []
    for k, across in enumerate(rows):
        top = region.top + k * (cell_height + GAP)
        left = region.left + (region.width - across * cell_width - (across - 1) * GAP) / 2
        for j in range(across):
            x = left + j * (cell_width + GAP) + (cell_width - width) * _about_middle(draw)
            boxes.append(Box(x, top + (cell_height - height) * _about_middle(draw), width, height))
    return tuple(boxes)


def halves(axis: Axis, first: float) -> tuple[Box, Box]:
    """The picture in two, the first as large as this part of it, left and right or above and below each other."""
    parts = parted(axis, (first, 1 - first))
    return parts[0], parts[1]


def parted(axis: Axis, parts: Sequence[float]) -> tuple[Box, ...]:
    """The picture in some regions beside or below each other, sized as these parts of it."""
    room = WHOLE.width - GAP * (len(parts) - 1)
    found: list[Box] = []
    start = MARGIN
    for part in parts:
        length = room * part / sum(parts)
        across = axis == "across"
        found.append(Box(start, MARGIN, length, WHOLE.height) if across else Box(MARGIN, start, WHOLE.width, length))
        start += length + GAP
    return tuple(found)


def at(place: str, ratio: float, longest: float, draw: Random) -> Box:
    """A box at one of nine places: "middle", or "top", "bottom", "left", "right" and what two of them make."""
    width, height = longest * min(1.0, ratio), longest * min(1.0, 1 / ratio)
    nudge = draw.uniform(0, 0.04), draw.uniform(0, 0.04)
    left, top = (1 - width) / 2 + nudge[0] - 0.02, (1 - height) / 2 + nudge[1] - 0.02
    if "left" in place:
        left = MARGIN + nudge[0]
    if "right" in place:
        left = 1 - MARGIN - nudge[0] - width
    if "top" in place:
        top = MARGIN + nudge[1]
    if "bottom" in place:
        top = 1 - MARGIN - nudge[1] - height
    return Box(left, top, width, height)


def _fitting(count: int, ratio: float, region: Box) -> list[tuple[int, ...]]:
    """The arrangements that let things be nearly as large as the best one does."""

    def size(rows: tuple[int, ...]) -> float:
        width = (region.width + GAP) / max(rows) - GAP
        return min(width, ((region.height + GAP) / len(rows) - GAP) * ratio)

    most = max(map(size, ROWS[count]))
    return [rows for rows in ROWS[count] if size(rows) >= 0.65 * most]


def _about_middle(draw: Random) -> float:
    return draw.uniform(0.2, 0.8)
