"""Small sets of pictures, made on the spot."""

import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image

Png = Callable[..., bytes]
Tar = Callable[[Path, Mapping[str, bytes]], Path]


@pytest.fixture(scope="session")
def png() -> Png:
    """Makes a PNG of one colour, (width, height) in pixels."""

    def make(colour: tuple[int, int, int] = (200, 30, 40), size: tuple[int, int] = (8, 8)) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", size, colour).save(file, "png")
        return file.getvalue()

    return make


@pytest.fixture(scope="session")
def tar() -> Tar:
    """Writes an uncompressed tar file of these members, in order."""

    def make(path: Path, members: Mapping[str, bytes]) -> Path:
        with tarfile.open(path, "w") as archive:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return path

    return make


@pytest.fixture
def folder(tmp_path: Path, png: Png) -> Path:
    """Seven captioned pictures, each of its own colour; number 2 and 5 are broken."""
    for k in range(7):
        data = png((k * 30, 10, 10))
        (tmp_path / f"p{k}.png").write_bytes(data[:50] if k in (2, 5) else data)
        (tmp_path / f"p{k}.txt").write_text(f"picture {k}\nthe {k}th\n")
    return tmp_path
