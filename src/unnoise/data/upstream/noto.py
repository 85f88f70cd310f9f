"""Noto Emoji, Google's, as it lies in googlefonts/noto-emoji: png/512/emoji_u1f34e.png, or else svg/emoji_u1f34e.svg.

Flags of countries lie elsewhere in it, under other terms, and are not taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unnoise.data.emoji import points
from unnoise.data.upstream._art import Art, Style, listed, no_clone

STYLE = Style("noto", "noto emoji, shaded vector art", 120 / 128)


@dataclass(frozen=True)
class Noto:
    address = "https://github.com/googlefonts/noto-emoji"
    family = "Noto Emoji"
    licence = "Apache-2.0"
    attribution = "Noto Emoji, Copyright 2013 Google, Inc."
    styles = (STYLE,)

    def art(self, folder: Path) -> Iterator[Art]:
        files = listed(folder / "png" / "512", ".png") or listed(folder / "svg", ".svg")
        if not files:
            raise no_clone(folder, self.address, "png/512 or svg folder with pictures")
        for file in files:
            if (found := points.found(file.stem.removeprefix("emoji_u"))) is not None:
                yield Art(STYLE, found, file.relative_to(folder))


upstream = Noto()
