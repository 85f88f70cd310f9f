"""Headers are checked before pixels are loaded; every fault names the file."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from media.examples import noise
from unnoise.core.error import Refused
from unnoise.media.container import BYTES, PIXELS, Header, probe, read_bytes
from unnoise.media.image import decode, encode, read


def blank_png(width: int, height: int) -> bytes:
    """A PNG of one bit a pixel: small, whatever its size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj()
    row = bytes(1 + (width + 7) // 8)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("format", ["png", "webp", "jpeg"])
def test_probe_reads_the_header(format: str) -> None:
    data = encode(noise(), format)  # pyright: ignore[reportArgumentType]
    assert probe(data, "x") == Header(format.upper(), 40, 30)
    if format != "webp":  # whose header says how long the file is
        assert probe(data[: len(data) // 2], "x").width == 40  # no pixel is needed


@pytest.mark.parametrize("side", [9000, 12000, 20000])
def test_bombs_are_refused_before_they_unfold(side: int) -> None:
    assert side * side > PIXELS
    for act in (probe, decode):
        with pytest.raises(Refused, match=r"bomb\.png.*pixels"):
            act(blank_png(side, side), "bomb.png")


def test_the_largest_picture_is_let_through() -> None:
    assert probe(blank_png(PIXELS, 1), "x").width == PIXELS


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"hello", bytes(10_000), b"<svg/>", b"II*\0" + bytes(100)])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    for act in (probe, decode):
        with pytest.raises(Refused, match=r"strange\.png"):
            act(data, "strange.png")


def test_formats_we_do_not_list_stay_closed() -> None:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "tiff")
    with pytest.raises(Refused, match="not a picture"):
        decode(file.getvalue(), "x.tiff")


def test_files_that_cannot_be_read_are_refused_by_name(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.png", tmp_path, tmp_path / "a\0b", str(tmp_path / "missing.png")):
        with pytest.raises(Refused, match="cannot read"):
            read(path)


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "long").open("wb") as file:
        file.truncate(BYTES + 1)
    with pytest.raises(Refused, match="longer"):
        read_bytes(tmp_path / "long")


@pytest.mark.parametrize("module", ["container", "embed", "atomic", "provenance", "infotext"])
def test_metadata_and_headers_need_no_torch(module: str) -> None:
    code = f"import sys, unnoise.media.{module}; print('torch' in sys.modules, 'PIL' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert said == ["False", str(module in ("container", "embed"))]
