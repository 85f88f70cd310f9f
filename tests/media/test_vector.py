"""SVG is drawn by resvg where it is installed, and refused in one line where it is not; other files play no part."""

import base64
import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from unnoise.core.error import Refused
from unnoise.media import vector
from unnoise.media.image import decode

BLOCK = 'width="4" height="4"'
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


def svg(inside: str) -> bytes:
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:l="urn:x"'
    return f'<svg {space} viewBox="0 0 8 8">{inside}</svg>'.encode()


@pytest.fixture
def green(tmp_path: Path) -> Path:
    """A picture of somebody's."""
    Image.new("RGB", (8, 8), (0, 128, 0)).save(tmp_path / "mine.png")
    return tmp_path / "mine.png"


@pytest.mark.parametrize(
    "inside",
    [
        '<image width="8" height="8" href="{}"/>',
        '<image width="8" height="8" xlink:href="{}"/>',
        '<image width="8" height="8" href="file://{}"/>',
        '<image width="8" height="8" href="&#x2f;{}"/>',
        '<filter id="f"><feImage href="{}"/></filter><rect width="8" height="8" filter="url(#f)"/>',
        '<use href="{}#part"/>',
        '<rect width="8" height="8" fill="url({}#part)"/>',
        '<rect width="8" height="8" style="fill: URL( \'{}\' )"/>',
        "<style>rect {{ fill: url('#a') }} @import '{}';</style>",
        '<style>@font-face {{ src: url("{}") }}</style>',
    ],
)
def test_a_drawing_shows_no_other_file(green: Path, inside: str) -> None:
    pytest.importorskip("resvg_py", reason="SVG is drawn by resvg, the extra `data`")
    with pytest.raises(Refused, match=r"^x\.svg is SVG that names another file \(.*: leave it out"):
        vector.drawn(svg(inside.format(green)), 16, "x.svg")


def test_no_other_file_is_named_by_an_entity(green: Path) -> None:
    pytest.importorskip("resvg_py", reason="SVG is drawn by resvg, the extra `data`")
    text = f'<!DOCTYPE svg [<!ENTITY a "{green}">]>'.encode() + svg('<image width="8" height="8" href="&a;"/>')
    with pytest.raises(Refused, match="names another file"):
        vector.drawn(text, 16, "x.svg")


@pytest.mark.parametrize("folder", ["#", "data:"])
def test_no_path_begins_as_what_lies_inside_does(green: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    pytest.importorskip("resvg_py", reason="SVG is drawn by resvg, the extra `data`")
    (green.parent / "clone" / folder).mkdir(parents=True)
    monkeypatch.chdir(green.parent / "clone")
    image = svg(f'<image width="8" height="8" href="{folder}/../../mine.png"/>')
    assert not decode(vector.drawn(image, 16, "x.svg"), "x", 4).any()


def test_what_lies_in_the_drawing_itself_is_drawn() -> None:
    pytest.importorskip("resvg_py", reason="SVG is drawn by resvg, the extra `data`")
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (0, 128, 0)).save(file, "png")
    data = base64.b64encode(file.getvalue()).decode()
    parts = (
        f'<defs><linearGradient id="a"><stop stop-color="red"/></linearGradient><rect id="b" y="4" {BLOCK}/></defs>',
        f"<style>.c {{ fill: url( '#a' ) }}</style><rect class=\"c\" {BLOCK}/>",
        f'<rect x="4" {BLOCK} fill="url(#a)"/><use xlink:href="#b" fill="url(&quot;#a&quot;)"/>',
        f'<image x="4" y="4" {BLOCK} href="data:image/png;base64,{data}"/><text>url(x)</text>',
    )
    pixels = decode(vector.drawn(svg("".join(parts)), 16, "x"), "x")
    corners = [pixels[:, y, x].tolist() for y, x in ((4, 4), (4, 12), (12, 4), (12, 12))]
    assert corners == [[255, 0, 0]] * 3 + [[0, 128, 0]]


def test_without_resvg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(Refused, match=r"^x\.svg is SVG.*pip install 'unnoise\[data\]'"):
        vector.drawn(HALF, 64, "x.svg")
