"""Twemoji: one SVG an emoji."""

from pathlib import Path

import pytest

from unnoise.core.error import Refused
from unnoise.data.upstream.twemoji import upstream


def test_the_samples(samples: Path) -> None:
    art = list(upstream.art(samples / "twemoji"))
    assert [a.path.name for a in art] == sorted(a.path.name for a in art) and len(art) == 6
    assert {a.points for a in art} >= {(0x1F34E,), (0x1F44B, 0x1F3FB)}
    assert {a.style.name for a in art} == {"twemoji"}


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no clone of twemoji: there is no assets/svg folder"):
        list(upstream.art(tmp_path))
