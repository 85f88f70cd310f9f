"""Sets are decoded once, or as they are used, to one square size; broken pictures are named and left out."""

from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.data import pictures as module
from unnoise.data.pictures import load, square, stream
from unnoise.data.source import open_source
from unnoise.data.workers import ordered


def test_broken_pictures_are_named_counted_and_left_out(folder: Path) -> None:
    loaded = load(open_source(folder), 4)
    assert loaded.names == ("p0.png", "p1.png", "p3.png", "p4.png", "p6.png")
    assert loaded.captions[2] == ("picture 3", "the 3th")
    assert loaded.images.shape == (5, 3, 4, 4)
    assert loaded.images[:, 0, 0, 0].tolist() == [0, 30, 90, 120, 180]
    assert len(loaded.broken) == 2
    assert "p2.png" in loaded.broken[0]
    assert "p5.png" in loaded.broken[1]


def test_a_picture_that_went_away_is_broken(folder: Path) -> None:
    source = open_source(folder)
    (folder / "p0.png").unlink()
    assert "p0.png" in load(source, 4).broken[0]


def test_a_set_of_broken_pictures_is_refused(folder: Path) -> None:
    source = open_source(folder)
    for file in folder.glob("*.png"):
        file.write_bytes(b"not a picture")
    with pytest.raises(Refused, match=r"all 7 pictures are broken, .*p0\.png"):
        load(source, 4)
    with pytest.raises(Refused, match="all 7 pictures are broken"):
        next(stream(source, 4, workers=0).gather(iter([[3, 4]])))


def test_tags_say_what_is_kept(shared: Path) -> None:
    source = open_source(shared / "data" / "emoji128", "heldout")
    loaded = load(source, 16, keep=lambda tags: tags["style"] in {"noto"} and tags["group"] != "Flags")
    assert {tags["style"] for tags in loaded.tags} == {"noto"}
    assert 0 < len(loaded) <= 50
    with pytest.raises(Refused, match="none of the 254 pictures is kept"):
        load(source, 16, keep=lambda tags: "none" in tags)
    with pytest.raises(Refused, match="take at least 1"):
        load(source, 0)


def test_processes_change_nothing(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(shared / "data" / "emoji128", "heldout")
    here = load(source, 32, workers=0)
    monkeypatch.setattr(module, "ordered", partial(ordered, patience=0))
    there = load(source, 32, workers=2)
    assert torch.equal(here.images, there.images)
    assert here.names == there.names
    streamed = stream(source, 32, workers=2)
    wanted = [[5, 7, 9], [250, 0, 7], [11, 11, 12]]
    for (indices, images), expected in zip(streamed.gather(iter(wanted)), wanted, strict=True):
        assert indices == expected
        assert torch.equal(images, here.images[expected])


def test_a_stream_puts_the_next_good_picture_for_a_broken_one(folder: Path) -> None:
    streamed = stream(open_source(folder), 4, workers=0)
    (indices, images), *_ = streamed.gather(iter([[5, 0, 2]]))
    assert indices == [6, 0, 3]
    assert images[:, 0, 0, 0].tolist() == [180, 0, 90]
    assert sorted(streamed.broken) == [2, 5]
    assert streamed.captions[6] == ("picture 6", "the 6th")


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.integers(0, 255))
def test_a_square_of_one_colour_stays_that_colour(height: int, width: int, size: int, channels: int, grey: int) -> None:
    made = square(torch.full((channels, height, width), grey, dtype=torch.uint8), size)
    assert made.shape == (channels, size, size)
    assert made.dtype == torch.uint8
    assert (made.int() - grey).abs().max() <= 1


def test_the_middle_is_kept() -> None:
    wide = torch.zeros(3, 4, 10, dtype=torch.uint8)
    wide[:, :, 3:7] = 255
    assert (square(wide, 4) == 255).all()
    assert (square(wide.transpose(1, 2), 2) == 255).all()


def test_shrinking_averages() -> None:
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 255
    made = square(board.to(torch.uint8).expand(3, 64, 64), 8)
    assert (made.int() - 127).abs().max() <= 4
