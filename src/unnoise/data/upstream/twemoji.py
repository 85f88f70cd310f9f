"""Twemoji, once Twitter's, as it lies in jdecked/twemoji: assets/svg/1f34e.svg. Its PNGs of 72 pixels are too small."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unnoise.data.emoji import points
from unnoise.data.upstream._art import Art, Style, listed, no_clone

STYLE = Style("twemoji", "twemoji, flat cartoon vector art", 120 / 128)


@dataclass(frozen=True)
class Twemoji:
    address = "https://github.com/jdecked/twemoji"
    family = "Twemoji"
    licence = "CC-BY-4.0"
    attribution = "Twemoji graphics, Copyright 2020 Twitter, Inc and other contributors, CC-BY 4.0"
    styles = (STYLE,)

    def art(self, folder: Path) -> Iterator[Art]:
        files = listed(folder / "assets" / "svg", ".svg")
        if not files:
            raise no_clone(folder, self.address, "assets/svg folder with pictures")
        for file in files:
            if (found := points.found(file.stem)) is not None:
                yield Art(STYLE, found, file.relative_to(folder))


upstream = Twemoji()
