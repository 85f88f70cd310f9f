"""IDX files, the format of MNIST and Fashion-MNIST: grey pictures and their labels, gzipped or not.

A file is two zero bytes, the type (8: unsigned byte), the number of axes, each axis's length as a big-endian 32-bit
number, and the values (LeCun, Cortes and Burges, "The MNIST database"). A label's name becomes the caption.
"""

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.data.source import Item

STEMS: Mapping[str, str] = {"train": "train", "heldout": "t10k", "test": "t10k", "t10k": "t10k"}
FASHION = (
    *("t-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
# The label files tell Fashion-MNIST from MNIST, whose file names are the same: md5, as published, of the file unpacked.
FASHION_LABELS = ("9018921c3c673c538a1fc5bad174d6f9", "15d484375f8d13e6eb1aabb0c3f46965")


@dataclass(frozen=True)
class Grey:
    """One picture's bytes, row by row."""

    pixels: bytes
    height: int
    width: int

    def __call__(self) -> Tensor:
        return torch.frombuffer(bytearray(self.pixels), dtype=torch.uint8).view(1, self.height, self.width)


@dataclass(frozen=True)
class Table:
    """A file's values with the length of each axis."""

    shape: tuple[int, ...]
    values: bytes


@dataclass(frozen=True)
class Labelled:
    """Pictures with labels: a `Source`."""

    split: str
    pictures: Table
    labels: bytes
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Item:
        label = self.labels[index]
        _, height, width = self.pictures.shape
        pixels = self.pictures.values[index * height * width : (index + 1) * height * width]
        if not self.names:
            return Item(f"{self.split}-{index}", (str(label),), {"label": str(label)}, Grey(pixels, height, width))
        tags = {"label": str(label), "name": self.names[label]}
        return Item(f"{self.split}-{index}", (self.names[label],), tags, Grey(pixels, height, width))


@dataclass(frozen=True)
class Idx:
    """MNIST's files."""

    def claims(self, path: Path) -> int:
        return 2 if path.is_dir() and any(path.glob("*-images*idx3-ubyte*")) else 0

    def open(self, path: Path, split: str) -> Labelled:
        stem = STEMS.get(split)
        if stem is None:
            raise Refused(f"'{path}' has no split '{split}'", f"one of {', '.join(STEMS)}", "split")
        file = _find(path, f"{stem}-labels", 1)
        pictures, labels = read_idx(_find(path, f"{stem}-images", 3), 3), read_idx(file, 1)
        if pictures.shape[0] != labels.shape[0]:
            counts = f"{pictures.shape[0]} pictures but {labels.shape[0]} labels"
            raise Refused(f"'{path}' has {counts} in its split '{split}'", "fetch both files again", "data")
        names = FASHION if "fashion" in path.resolve().name.lower() or _digest(labels) in FASHION_LABELS else ()
        if names and max(labels.values, default=0) >= len(names):
            raise Refused(
                f"'{file}' has a label above {len(names) - 1}", "these are not Fashion-MNIST's labels", "data"
            )
        return Labelled(stem, pictures, labels.values, names)


def _digest(labels: Table) -> str:
    header = bytes((0, 0, 8, 1)) + struct.pack(">I", len(labels.values))
    return hashlib.md5(header + labels.values, usedforsecurity=False).hexdigest()


def read_idx(file: Path, axes: int) -> Table:
    """An IDX file of unsigned bytes.

    Args:
        file: gzipped where its first bytes say so.
        axes: how many it must have: 3 for pictures, 1 for labels.

    Raises:
        Refused: it is no such file, shorter or longer than it says, or its pictures have no pixels.
    """
    data = _unpacked(file)
    if data[:4] != bytes((0, 0, 8, axes)):
        raise Refused(
            f"'{file}' is no IDX file of bytes with {axes} axes: it starts with {data[:4].hex(' ') or 'nothing'}",
            f"one starts with 00 00 08 0{axes}",
            "data",
        )
    start = 4 + 4 * axes
    if len(data) < start:
        raise Refused(f"'{file}' ends inside its header", "fetch it again", "data")
    shape = struct.unpack(f">{axes}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise Refused(
            f"'{file}' says {math.prod(shape)} values and holds {len(data) - start}", "fetch it again", "data"
        )
    if not all(shape[1:]):
        raise Refused(f"'{file}' has pictures of {shape[2]}x{shape[1]} pixels", "fetch it again", "data")
    return Table(shape, data[start:])


def _unpacked(file: Path) -> bytes:
    try:
        data = file.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Refused(f"'{file}' is a broken gzip file ({error})", "fetch it again", "data") from None
    except OSError as error:
        raise Refused(f"'{file}' cannot be read ({error.strerror})", "check the file", "data") from None


def _find(path: Path, stem: str, axes: int) -> Path:
    found = sorted(path.glob(f"{stem}*idx{axes}-ubyte*"))
    if not found:
        raise Refused(f"'{path}' has no {stem}-idx{axes}-ubyte", "put MNIST's four files in one folder", "data")
    return found[0]


layout = Idx()
