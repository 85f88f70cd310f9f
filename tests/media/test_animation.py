"""An animation shows each frame for its time, loops, and appears whole or not at all."""

import errno
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from media.examples import noise, smooth
from unnoise.core.error import Refused
from unnoise.media.animation import gif
from unnoise.media.embed import XMP, read_metadata
from unnoise.media.provenance import GENERATED, properties


def test_frames_times_and_loop(tmp_path: Path) -> None:
    frames = [smooth().roll(k, 1) for k in range(4)]
    gif(tmp_path / "a.gif", frames, 0.08, last=2)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 4  # pyright: ignore[reportAttributeAccessIssue]
        assert image.info["loop"] == 0
        times: list[int] = []
        for k, frame in enumerate(frames):
            image.seek(k)
            times.append(image.info["duration"])
            seen = torch.frombuffer(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8)
            away = seen.view(30, 40, 3).permute(2, 0, 1).float() - frame.float()
            assert away.pow(2).mean().sqrt() < 14
            assert away.mean().abs() < 2  # dithering keeps the colour on the whole
    assert times == [80, 80, 80, 2000]
    assert len(list(tmp_path.iterdir())) == 1


def test_white_stays_white(tmp_path: Path) -> None:
    frame = smooth(64, 64) // 2 + noise(3, 64, 64) // 2
    frame[:, :32] = 255
    gif(tmp_path / "a.gif", [frame], 0.1)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.convert("RGB").getpixel((5, 5)) == (255, 255, 255)


def test_grey_frames(tmp_path: Path) -> None:
    gif(tmp_path / "a.gif", [noise(1)], 0.1)
    assert (tmp_path / "a.gif").stat().st_size > 0


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.001, 1e9, float("nan"), float("inf")])
def test_times_out_of_range_are_refused(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(Refused, match="seconds"):
        gif(tmp_path / "a.gif", [noise()], seconds)
    with pytest.raises(Refused, match="seconds"):
        gif(tmp_path / "a.gif", [noise()], 0.1, seconds)


def test_no_frames_and_frames_of_two_sizes_are_refused(tmp_path: Path) -> None:
    for frames in ([], [noise(), noise(3, 5, 5)]):
        with pytest.raises(Refused, match="one size"):
            gif(tmp_path / "a.gif", frames, 0.1)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Refused, match="free some space"):
            gif(tmp_path / "a.gif", [noise()], 0.1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 3])
def test_what_a_model_made_is_marked_as_generated_and_plays_as_before(tmp_path: Path, count: int) -> None:
    frames = [smooth().roll(k, 1) for k in range(count)]
    gif(tmp_path / "plain.gif", frames, 0.08)
    gif(tmp_path / "marked.gif", frames, 0.08, model="emoji")
    with Image.open(tmp_path / "plain.gif") as plain, Image.open(tmp_path / "marked.gif") as marked:
        assert XMP not in read_metadata(tmp_path / "plain.gif")
        found = properties(read_metadata(tmp_path / "marked.gif")[XMP])
        assert found["Iptc4xmpExt:DigitalSourceType"] == GENERATED
        assert found["Iptc4xmpExt:AISystemUsed"] == "unnoise, emoji"
        assert marked.info.get("loop") == plain.info.get("loop")
        for k in range(count):
            plain.seek(k)
            marked.seek(k)
            assert marked.convert("RGB").tobytes() == plain.convert("RGB").tobytes()
            assert marked.info.get("duration") == plain.info.get("duration")


def test_a_reader_that_knows_no_xmp_skips_the_mark(tmp_path: Path) -> None:
    """Reads the extension as sub-blocks, each with its length first, as the GIF89a specification has it."""
    gif(tmp_path / "a.gif", [smooth()], 0.1, model="a model \N{SNOWMAN}")
    data = (tmp_path / "a.gif").read_bytes()
    place = data.index(b"XMP DataXMP") + 11
    while data[place]:
        place += 1 + data[place]
    assert data[place + 1] in b"\x21\x2c"  # the next block begins: an extension, or a picture
