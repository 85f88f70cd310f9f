"""Noto Emoji: PNG of 512 pixels where there are some, else SVG."""

from pathlib import Path

import pytest

from unnoise.core.error import Refused
from unnoise.data.upstream.noto import upstream


def test_the_samples_are_svg(samples: Path) -> None:
    art = list(upstream.art(samples / "noto-emoji"))
    assert len(art) == 6 and {a.path.suffix for a in art} == {".svg"}  # their PNG are of 128 pixels
    assert {a.points for a in art} >= {(0x1F34E,), (0x1F44B, 0x1F3FB)}


def test_png_comes_first_and_other_files_are_passed_over(tmp_path: Path) -> None:
    for folder, names in {"png/512": ("emoji_u0023_20e3.png", "emoji_none.png"), "svg": ("emoji_u1f34e.svg",)}.items():
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / folder / name).touch()
    assert [(a.points, a.path.as_posix()) for a in upstream.art(tmp_path)] == [
        ((0x23, 0x20E3), "png/512/emoji_u0023_20e3.png")
    ]


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"no clone of noto-emoji: there is no png/512 or svg folder .*: clone https://"):
        list(upstream.art(tmp_path))
    with pytest.raises(Refused, match=r"none is no clone of noto-emoji: there is no such folder"):
        list(upstream.art(tmp_path / "none"))
