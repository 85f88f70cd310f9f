"""A few things with an alpha channel, drawn on the spot in two styles."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from unnoise.data.scenes.sprites import Shelf, Sprites, cut

SIDE = 64

# Each thing's colour, and where it lies in its picture: left, top, right, bottom.
THINGS = {
    "red apple": ((210, 30, 40), (8, 10, 52, 58)),
    "cup": ((40, 100, 220), (10, 20, 54, 48)),
    "star": ((250, 210, 50), (12, 6, 50, 52)),
    "dog": ((120, 75, 45), (6, 14, 58, 50)),
    "leaf": ((60, 160, 60), (22, 4, 44, 60)),
    "grapes": ((130, 70, 190), (16, 12, 48, 56)),
    "butter": ((250, 215, 60), (4, 24, 60, 44)),
    "half moon": ((130, 130, 130), (20, 8, 44, 56)),
}
STYLES = {"flat": "flat emoji, flat art", "round": "round emoji, 3d render"}


def picture(colour: tuple[int, int, int], box: tuple[int, int, int, int], style: str) -> tuple[bytes, bytes]:
    """A picture on white and its alpha, as files: a box, or a disc with a soft edge."""
    alpha = Image.new("L", (SIDE, SIDE))
    left, top, right, bottom = box
    draw = ImageDraw.Draw(alpha)
    draw.rectangle((left, top, right - 1, bottom - 1), 255) if style == "flat" else draw.ellipse(box, 255, 120, 2)
    opacity = np.asarray(alpha)[..., None] / 255
    white = Image.fromarray(np.uint8(np.round(np.asarray(colour) * opacity + 255 * (1 - opacity))))
    files = io.BytesIO(), io.BytesIO()
    white.save(files[0], "png")
    alpha.save(files[1], "png")
    return files[0].getvalue(), files[1].getvalue()


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory, tar) -> Path:
    """A folder of one shard: all things in all styles, a sign, and what has nothing to cut out."""
    members: dict[str, bytes] = {}
    for style, phrase in STYLES.items():
        for name, (colour, box) in THINGS.items():
            key = f"{style}_{name.replace(' ', '-')}"
            members[f"{key}.png"], members[f"{key}.alpha.png"] = picture(colour, box, style)
            about = {"caption": f"{name}, {phrase}", "name": name, "style": style, "group": "Things"}
            members[f"{key}.json"] = json.dumps(
                about | {"keywords": ["object", "red thing", "x1", "gold", "left", "toy"]}
            ).encode()
    white, alpha = picture((0, 0, 0), (9, 9, 50, 50), "flat")
    words = {"caption": "no entry, flat emoji", "name": "no entry", "style": "flat"}
    sign, empty = words | {"group": "Symbols"}, words | {"name": "nothing", "group": "Things"}
    members |= {"sign.png": white, "sign.alpha.png": alpha, "sign.json": json.dumps(sign).encode()}
    blank = picture((0, 0, 0), (9, 9, 9, 9), "round")[0]
    nothing = io.BytesIO()
    Image.new("L", (SIDE, SIDE)).save(nothing, "png")
    members |= {"e.png": blank, "e.alpha.png": nothing.getvalue(), "e.json": json.dumps(empty).encode()}
    members |= {"whole.png": white, "whole.json": json.dumps(empty).encode()}
    members |= {"torn.png": white, "torn.alpha.png": alpha[:60], "torn.json": json.dumps(empty).encode()}
    folder = tmp_path_factory.mktemp("shards")
    tar(folder / "train-0.tar", members)
    return folder


@pytest.fixture(scope="session")
def shelf(shards: Path) -> Shelf:
    return Shelf(shards)


@pytest.fixture(scope="session")
def sprites(shelf: Shelf) -> Sprites:
    return cut(shelf)
