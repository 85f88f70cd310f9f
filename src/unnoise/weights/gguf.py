"""GGUF, the format of quantised models: its header, checked before any tensor is read.

The format (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): a mark and a version, counts, metadata as
typed values, each tensor's name, sizes (the fastest axis first, so reversed), type and offset, then the tensors' bytes.
Programs whose tensors do not fit into blocks store them in another shape and the proper one in the metadata.
"""

from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO, cast

from unnoise.weights.entry import BLOCKS, MOST, Entry, Header, broken, check_name, proper, size

MAGIC = b"GGUF"
KIND = "GGUF"
LARGEST = 64 * 2**20
"""The most bytes of a header; a language model's words take some millions."""
SHOWN = 16
"""The longest list of metadata that is kept; longer ones are a vocabulary's."""
ALIGNMENT = 32
SHAPE = "comfy.gguf.orig_shape."
"""Before a tensor's name: the metadata that hold its proper shape."""

TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    6: "Q5_0",
    7: "Q5_1",
    8: "Q8_0",
    10: "Q2_K",
    11: "Q3_K",
    12: "Q4_K",
    13: "Q5_K",
    14: "Q6_K",
    20: "IQ4_NL",
    23: "IQ4_XS",
    24: "I8",
    25: "I16",
    26: "I32",
    27: "I64",
    28: "F64",
    30: "BF16",
}
"""The types that we read, by the number that stands for each."""

SCALARS = {kind: Struct(f"<{code}") for kind, code in enumerate("BbHhIif?")} | {
    kind: Struct(f"<{code}") for kind, code in ((10, "Q"), (11, "q"), (12, "d"))
}
"""Metadata's numbers, by the number that stands for each type."""
TEXT, LIST = 8, 9


def read(path: Path, file: BinaryIO, whole: int) -> Header:
    """The header of a file of `whole` bytes.

    Raises:
        Refused: it is damaged, cut short, or has tensors of a type that we do not read.
    """
    cursor = _Cursor(path, file.read(LARGEST), len(MAGIC))
    version, count, pairs = cursor.number(4), cursor.number(8), cursor.number(8)
    if version not in (2, 3):
        raise broken(path, f"its version is {version}, we read 2 and 3", KIND)
    if count > MOST or pairs > MOST:
        raise broken(path, f"it has {count:,} tensors and {pairs:,} metadata", KIND)
    said: dict[str, Any] = {}
    for _ in range(pairs):
        name, kind = cursor.text(), cursor.number(4)
        if name in said:
            raise broken(path, f"its metadata {name[:60]!r} stand twice", KIND)
        said[name] = cursor.value(kind)
    tensors: dict[str, Entry] = {}
    for _ in range(count):
        name, entry = _entry(cursor)
        if name in tensors:
            raise broken(path, f"tensor {name[:60]!r} stands twice", KIND)
        tensors[name] = entry
    tensors = _placed(path, tensors, cursor.at, _alignment(path, said), whole)
    tensors = {name: _shaped(path, name, entry, said.get(SHAPE + name)) for name, entry in tensors.items()}
    return Header(path, tensors, {k: _told(v) for k, v in said.items() if not k.startswith(SHAPE)}, "gguf")


@dataclass
class _Cursor:
    """A place in the header's bytes that only goes forward."""

    path: Path
    data: bytes
    at: int

    def bytes(self, count: int) -> bytes:
        self.at += count
        if self.at > len(self.data):
            raise broken(self.path, "its header is cut short, or too long", KIND)
        return self.data[self.at - count : self.at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.bytes(width), "little")

    def text(self) -> str:
        return self.bytes(self.number(8)).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        """A value of metadata; of a long list only what it is."""
        if kind == TEXT:
            return self.text()
        if kind in SCALARS:
            return SCALARS[kind].unpack(self.bytes(SCALARS[kind].size))[0]
        if kind != LIST:
            raise broken(self.path, f"it has metadata of the unknown type {kind}", KIND)
        inner, count = self.number(4), self.number(8)
        if inner in SCALARS and count > SHOWN:
            self.bytes(SCALARS[inner].size * count)
        elif inner == TEXT and count > SHOWN:
            self.skip(count)
        elif inner in SCALARS or inner == TEXT:
            return tuple(self.value(inner) for _ in range(count))
        else:
            raise broken(self.path, f"it has a list of the type {inner}", KIND)
        return f"a list of {count:,}"

    def skip(self, texts: int) -> None:
        """Past so many texts: each has at least its length, so a false count soon ends."""
        for _ in range(texts):
            self.bytes(self.number(8))


def _entry(cursor: _Cursor) -> tuple[str, Entry]:
    """A tensor as the header lists it, its span still counted from the first tensor."""
    path, name, axes = cursor.path, cursor.text(), cursor.number(4)
    check_name(path, name, KIND)
    if axes > 4:
        raise broken(path, f"tensor {name[:60]!r} has {axes:,} axes", KIND)
    shape = tuple(reversed([cursor.number(8) for _ in range(axes)]))
    kind, offset = cursor.number(4), cursor.number(8)
    dtype = TYPES.get(kind)
    if not proper(shape):
        raise broken(path, f"tensor {name[:60]!r} has a shape beyond all", KIND)
    if dtype is None:
        raise broken(path, f"tensor {name[:60]!r} is of type {kind}, which we do not read", KIND)
    if dtype in BLOCKS and (not shape or shape[-1] % BLOCKS[dtype][0]):
        raise broken(path, f"tensor {name[:60]!r} of shape {list(shape)} does not fit {dtype}'s blocks", KIND)
    return name, Entry(dtype, shape, (offset, offset + size(dtype, prod(shape))), path)


def _alignment(path: Path, said: dict[str, Any]) -> int:
    found = said.get("general.alignment", ALIGNMENT)
    if not isinstance(found, int) or not 1 <= found <= 2**20 or found % 8:
        raise broken(path, f"its alignment is {str(found)[:20]}", KIND)
    return found


def _placed(path: Path, tensors: dict[str, Entry], after: int, step: int, whole: int) -> dict[str, Entry]:
    """The tensors where they lie in the file: aligned, within it, and none in another."""
    start, last = after + -after % step, 0
    for name, entry in sorted(tensors.items(), key=lambda item: item[1].span):
        if entry.span[0] % step or entry.span[0] < last:
            raise broken(path, f"tensor {name[:60]!r} overlaps another or is not aligned", KIND)
        last = entry.span[1]
        if start + last > whole:
            raise broken(
                path, f"it is cut short: tensor {name[:60]!r} ends {start + last - whole:,} bytes after it", KIND
            )
    return {k: replace(e, span=(start + e.span[0], start + e.span[1])) for k, e in tensors.items()}


def _shaped(path: Path, name: str, entry: Entry, said: Any) -> Entry:
    """The tensor in the shape that the metadata say is its own."""
    if said is None:
        return entry
    if not isinstance(said, tuple) or not all(type(n) is int and n >= 0 for n in cast(tuple[Any, ...], said)):
        raise broken(path, f"tensor {name[:60]!r} has no proper shape", KIND)
    if prod(said) != prod(entry.shape) or not proper(said):
        raise broken(path, f"tensor {name[:60]!r} does not fit its shape {list(said)[:6]}", KIND)
    return replace(entry, shape=said)


def _told(value: Any) -> str:
    return ", ".join(map(str, cast(tuple[Any, ...], value))) if isinstance(value, tuple) else str(value)
