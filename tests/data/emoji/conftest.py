"""Small clones of the art repositories, made on the spot, and what the ready set says of its pictures."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from unnoise.data.source import items, open_source

SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8" fill="{}"/></svg>'


@dataclass(frozen=True)
class Record:
    """A picture of the ready set: its tags, and whether it is held out."""

    tags: Mapping[str, str]
    heldout: bool


@pytest.fixture(scope="session")
def ready(shared: Path) -> list[Record]:
    """Pictures of the set that was made from whole clones: a quarter of the rest, and everything held out."""
    folder = shared / "data" / "emoji128"
    rest, held = open_source(folder / "train-00000.tar"), open_source(folder, "heldout+extra")
    return [Record(item.tags, source is held) for source in (rest, held) for item in items(source)]


@pytest.fixture
def noto(tmp_path: Path, png) -> Callable[..., Path]:
    """Makes a clone of Noto Emoji whose pictures have these names, each its colour."""

    def make(**colours: tuple[int, int, int]) -> Path:
        folder = tmp_path / "noto-emoji"
        (folder / "png" / "512").mkdir(parents=True)
        (folder / "LICENSE").write_text("Apache")
        for name, colour in colours.items():
            (folder / "png" / "512" / f"emoji_{name}.png").write_bytes(png(colour, (40, 40)))
        return folder

    return make


@pytest.fixture
def fluent(tmp_path: Path, png) -> Callable[..., Path]:
    """Makes a clone of Fluent Emoji with the 3D pictures of these emoji: name -> code, or code and group."""

    def make(**emoji: str) -> Path:
        folder = tmp_path / "fluentui-emoji"
        for k, (name, code) in enumerate(emoji.items()):
            entry = folder / "assets" / name
            (entry / "3D").mkdir(parents=True)
            (entry / "3D" / f"{name}_3d.png").write_bytes(png((k * 40, 0, 0)))
            code, _, group = code.partition("|")
            about = {"cldr": name, "unicode": code, "group": group, "keywords": ["mine", name]}
            (entry / "metadata.json").write_text(json.dumps(about))
        return folder

    return make
