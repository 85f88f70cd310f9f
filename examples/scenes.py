"""An uncut sheet of scenes, each with its fullest caption: python examples/scenes.py EMOJI_SHARDS [TO.png]."""

import sys
from pathlib import Path

from unnoise.data.scenes.gallery import Scenes
from unnoise.data.scenes.sprites import Shelf
from unnoise.media import image
from unnoise.media.sheet import sheet, stacked

ACROSS = 8


def main(data: str, to: str = "docs/scenes.png", first: int = 0, count: int = 64) -> None:
    scenes = Scenes(shelf=Shelf(Path(data)))
    numbers = range(int(first), int(first) + int(count))
    rows = [numbers[k : k + ACROSS] for k in range(0, len(numbers), ACROSS)]
    sheets = [sheet([[scenes.picture(k) for k in row]], columns=[scenes.captions[k][0] for k in row]) for row in rows]
    image.save(to, stacked(sheets, [""] * len(sheets)))
    for number in numbers:
        print(number, *scenes.captions[number], sep="\n    ")


if __name__ == "__main__":
    main(*sys.argv[1:])
