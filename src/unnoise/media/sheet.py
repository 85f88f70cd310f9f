"""A contact sheet: pictures in rows and columns on white, with a label for each row and each column."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.media.container import PIXELS
from unnoise.media.image import to_image, to_pixels

_INK = (64, 68, 75)
_WIDEST = 0.4
"""The most of the sheet's pictures, in width, that the row labels may take."""


@dataclass(frozen=True)
class _Layout:
    """Where things are, in pixels: cells of one size, `gap` apart; labels of lines `line` high, `pad` off the cells."""

    cell: tuple[int, int]
    gap: int
    left: int
    top: int
    line: int
    pad: int

    def corner(self, row: int, column: int) -> tuple[int, int]:
        width, height = self.cell
        return self.left + column * (width + self.gap), self.top + row * (height + self.gap)


def sheet(
    pictures: Sequence[Sequence[Tensor]], rows: Sequence[str] = (), columns: Sequence[str] = (), scale: int = 1
) -> Tensor:
    """A labelled sheet of pictures, uint8 (3, H, W).

    Labels that are too long are broken into lines, then shortened with an ellipsis.

    Args:
        pictures: one sequence a row, each picture uint8 (3 or 1, h, w); a short row leaves blanks. Smaller pictures
            stand in the middle of a cell of the largest one's size.
        rows, columns: the labels, left and above; none at all, or one for each.
        scale: how many times each picture is enlarged, each pixel to a square.

    Raises:
        Refused: if there is no picture, the labels do not match, or the sheet would be too large.
    """
    wide = max((len(row) for row in pictures), default=0)
    if not wide or scale < 1:
        raise Refused("a sheet needs a picture and a scale of at least 1", "give one row of one picture")
    for labels, count, what in ((rows, len(pictures), "row"), (columns, wide, "column")):
        if len(labels) not in (0, count):
            raise Refused(f"the sheet has {count} {what}s and {len(labels)} {what} labels", "give one label for each")
    sizes = [tuple(picture.shape[-2:]) for row in pictures for picture in row]
    cell = (scale * max(w for _, w in sizes), scale * max(h for h, _ in sizes))
    if wide * cell[0] * len(pictures) * cell[1] > PIXELS:
        raise Refused("the sheet would be too large", "use fewer pictures or a smaller scale")
    font = ImageFont.load_default(max(12, min(cell[1] // 7, 26)))
    left = _broken(rows, font, int(max(_WIDEST * wide * cell[0], 4 * font.getlength("n"))), cell[1])
    above = _broken(columns, font, cell[0], 3 * _line(font))
    layout = _layout(cell, font, left, above)
    image = Image.new("RGB", _size(layout, len(pictures), wide), "white")
    for r, row in enumerate(pictures):
        for c, picture in enumerate(row):
            _place(image, picture, layout, (r, c), scale)
    _label(image, font, layout, left, above)
    return to_pixels(image)


def stacked(sheets: Sequence[Tensor], titles: Sequence[str]) -> Tensor:
    """Sheets one below the other, each under its title, uint8 (3, H, W); one without a title stays as it is.

    Raises:
        Refused: if there is none, or the whole would be too large.
    """
    if not sheets:
        raise Refused("there is no sheet to stack", "give one")
    font = ImageFont.load_default(20)
    line, width = 2 * _line(font), max(int(s.shape[-1]) for s in sheets)
    height = sum(int(s.shape[-2]) + (line if title else 0) for s, title in zip(sheets, titles, strict=True))
    if width * height > PIXELS:
        raise Refused("the sheet would be too large", "use fewer pictures or a smaller scale")
    image, y = Image.new("RGB", (width, height), "white"), 0
    for part, title in zip(sheets, titles, strict=True):
        if title:
            ImageDraw.Draw(image).text(
                (12, y + line * 0.6), _shortened(title, font, width - 24), _INK, font, anchor="lm"
            )
            y += line
        image.paste(to_image(part), (0, y))
        y += int(part.shape[-2])
    return to_pixels(image)


Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _layout(cell: tuple[int, int], font: Font, left: list[list[str]], above: list[list[str]]) -> _Layout:
    gap = max(2, min(cell) // 24)
    margin, line = 2 * gap + 2, _line(font)
    pad = max(6, line // 3)
    label = max((font.getlength(text) for lines in left for text in lines), default=0)
    lines = max((len(lines) for lines in above), default=0)
    left_of = margin + (round(label) + pad if label else 0)
    return _Layout(cell, gap, left_of, margin + (lines * line + pad if lines else 0), line, pad)


def _size(layout: _Layout, rows: int, columns: int) -> tuple[int, int]:
    right, bottom = layout.corner(rows, columns)
    margin = 2 * layout.gap + 2
    return right - layout.gap + margin, bottom - layout.gap + margin


def _place(image: Image.Image, picture: Tensor, layout: _Layout, at: tuple[int, int], scale: int) -> None:
    small = to_image(picture)
    large = small.resize((small.width * scale, small.height * scale), Image.Resampling.NEAREST)
    x, y = layout.corner(*at)
    width, height = layout.cell
    image.paste(large, (x + (width - large.width) // 2, y + (height - large.height) // 2))


def _label(image: Image.Image, font: Font, layout: _Layout, left: list[list[str]], above: list[list[str]]) -> None:
    draw = ImageDraw.Draw(image)
    (width, height), line, pad = layout.cell, layout.line, layout.pad
    for row, lines in enumerate(left):
        x, y = layout.corner(row, 0)
        first = y + height / 2 - (len(lines) - 1) * line / 2
        for k, text in enumerate(lines):
            draw.text((x - pad, first + k * line), text, _INK, font, anchor="rm")
    for column, lines in enumerate(above):
        x, y = layout.corner(0, column)
        for k, text in enumerate(reversed(lines)):
            draw.text((x + width / 2, y - pad - k * line), text, _INK, font, anchor="ms")


def _line(font: Font) -> int:
    return round(1.25 * getattr(font, "size", 10))


def _broken(labels: Sequence[str], font: Font, width: int, height: int) -> list[list[str]]:
    """Each label as lines that fit into the width and height."""
    parted = (" ".join(_parted(word, font, width) for word in label[:1000].split()) for label in labels)
    return [_lines(text, font, width, max(1, height // _line(font))) for text in parted]


def _parted(word: str, font: Font, width: int) -> str:
    """A word that is too wide, open to be broken behind its name and each option: `ddim: eta=0.5, other=1`."""
    return word if font.getlength(word) <= width else re.sub(r"[,:;](?=[^\W\d])", r"\g<0> ", word)


def _lines(text: str, font: Font, width: int, most: int) -> list[str]:
    lines = [""]
    words = text.split(" ")
    for k, word in enumerate(words):
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or font.getlength(longer) <= width:
            lines[-1] = longer
        elif len(lines) < most:
            lines.append(word)
        else:
            lines[-1] = " ".join([lines[-1], *words[k:]])
            break
    return [_shortened(line, font, width) for line in lines]


def _shortened(text: str, font: Font, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    most = bisect_right(range(1, len(text)), width, key=lambda n: font.getlength(text[:n] + "…"))
    return text[:most].rstrip(" ,.;:") + "…"
