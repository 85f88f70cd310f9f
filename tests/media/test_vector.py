"""SVG is drawn by resvg where it is installed, and refused in one line where it is not."""

import sys

import pytest

from unnoise.core.error import Refused
from unnoise.media import vector
from unnoise.media.image import decode

HALF = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 10"><rect width="10" height="10" fill="#f00"/></svg>'


@pytest.mark.parametrize("shape", [b"20 10", b"10 20", b"1 100000"])
def test_no_side_is_longer_than_asked_for(shape: bytes) -> None:
    pytest.importorskip("resvg_py", reason="SVG is drawn by resvg, the extra `data`")
    assert max(decode(vector.drawn(HALF.replace(b"20 10", shape), 64, "x"), "x").shape) == 64


def test_drawn_at_a_size_with_transparency() -> None:
    pytest.importorskip("resvg_py", reason="SVG is drawn by resvg, the extra `data`")
    assert vector.there()
    pixels = decode(vector.drawn(HALF, 64, "half"), "half", 4)
    assert pixels.shape == (4, 32, 64)
    assert pixels[:, 5, 5].tolist() == [255, 0, 0, 255]
    assert pixels[3, 5, 60] == 0


@pytest.mark.parametrize("svg", [b"", b"text", b"<svg", b"<p/>", b"\xff\xfe\x00"])
def test_a_damaged_file_is_refused_by_name(svg: bytes) -> None:
    pytest.importorskip("resvg_py", reason="SVG is drawn by resvg, the extra `data`")
    with pytest.raises(Refused, match=r"^x\.svg is a damaged SVG file"):
        vector.drawn(svg, 64, "x.svg")


def test_without_resvg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(Refused, match=r"^x\.svg is SVG.*pip install 'unnoise\[data\]'"):
        vector.drawn(HALF, 64, "x.svg")
