"""Drawings become pictures, in a worker process as here; what is broken is named."""

import io
from pathlib import Path

import pytest
from PIL import Image

from data.emoji.conftest import SQUARE
from unnoise.data.emoji import draw
from unnoise.data.emoji.draw import Drawing, draw_all
from unnoise.media.cutout import Cutout


def test_good_ones_and_broken_ones_each_in_its_place(tmp_path: Path, png) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "b.png").write_bytes(png()[:40])
    names = ("a.png", "b.png", "none.png", "a.png")
    good, broken, missing, again = draw_all(tuple(Drawing(tmp_path, Path(name), 16, 1.0) for name in names))
    assert isinstance(good, Cutout) and good == again
    with Image.open(io.BytesIO(good.colours)) as image:
        assert image.size == (16, 16)
    assert isinstance(broken, str) and broken.startswith("b.png is ") and str(tmp_path) not in broken
    assert isinstance(missing, str) and "none.png" in missing


def test_a_link_out_of_a_clone_is_not_followed(tmp_path: Path, png) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    (tmp_path / "mine.png").write_bytes(png())
    (clone / "a.png").write_bytes(png())
    (clone / "b.png").symlink_to("a.png")
    (clone / "c.png").symlink_to(tmp_path / "mine.png")
    one, same, other = draw_all(tuple(Drawing(clone, Path(f"{name}.png"), 16, 1.0) for name in "abc"))
    assert isinstance(one, Cutout) and one == same
    assert isinstance(other, str) and "a link out of the clone" in other


def test_svg_is_drawn_large_and_shrunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, png) -> None:
    asked: list[int] = []

    def drawn(data: bytes, width: int, name: str) -> bytes:
        asked.append(width)
        return png()

    monkeypatch.setattr(draw, "drawn", drawn)
    (tmp_path / "a.svg").write_text(SQUARE.format("red"))
    draw_all(tuple(Drawing(tmp_path, Path("a.svg"), size, 1.0) for size in (64, 128, 256)))
    assert asked == [512, 512, 512]
