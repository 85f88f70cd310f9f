"""A set of emoji as the recipes take it: a few things in two styles, cut out, some of them held out."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIDE = 32
THINGS = {"red apple": (220, 40, 40), "blue cup": (40, 60, 220), "green leaf": (40, 180, 60), "star": (250, 210, 60)}
HELD = {"brown nut": (120, 80, 40)}
STYLES = ("fluent-3d", "noto")


@pytest.fixture(scope="session")
def emoji(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of shards: train of eight pictures, heldout of two, each NAME.png, NAME.alpha.png and NAME.json."""
    folder = tmp_path_factory.mktemp("emoji-shards")
    for split, things in (("train", THINGS), ("heldout", HELD)):
        with tarfile.open(folder / f"{split}-00000.tar", "w") as shard:
            for style in STYLES:
                for k, (name, colour) in enumerate(things.items()):
                    for kind, content in _members(name, colour, style, k).items():
                        member = tarfile.TarInfo(f"{style}_{name.replace(' ', '-')}{kind}")
                        member.size = len(content)
                        shard.addfile(member, io.BytesIO(content))
    return folder


def _members(name: str, colour: tuple[int, int, int], style: str, k: int) -> dict[str, bytes]:
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    alpha[4 : 20 + 2 * k, 6:26] = 255
    white = np.where(alpha[..., None] > 0, np.uint8(colour), np.uint8(255)).astype(np.uint8)
    about = {"caption": f"{name}, {style} style", "name": name, "style": style, "group": "Food", "keywords": ["thing"]}
    return {".png": _png(white), ".alpha.png": _png(alpha), ".json": json.dumps(about).encode()}


def _png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()
