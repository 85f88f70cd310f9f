"""Tensors of a weight file by their stored names, each mapped or read when it is asked for.

A plain tensor is a view of the file's own pages; writing into it changes neither the file nor what is read next.
A quantised one is computed, as float32, or stays packed until it is used; `packed` gives its bytes as they are.
"""

import os
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.weights.entry import BITS, BLOCKS, Entry, Header
from unnoise.weights.header import read_header
from unnoise.weights.mapped import mapped
from unnoise.weights.packed import Packed

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "C64": torch.complex64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E8M0": torch.float8_e8m0fnu,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
}


def open_tensors(path: Path, unpack: bool = True) -> "Stored":
    """The tensors of a file of any format that `read_header` knows, or of the shards of an index.

    Args:
        unpack: compute quantised ones; they are `Packed` otherwise.

    Raises:
        Refused: the file is missing, damaged, hostile, or holds tensors of a type that torch has not.
    """
    return Stored(read_header(path), unpack)


class Stored(Mapping[str, Tensor]):
    """Tensors by stored name, on the CPU. Asking for one raises `Refused` where its file cannot be read any more.

    Args:
        header: of the file.
        unpack: compute quantised ones; they are `Packed` otherwise.
    """

    def __init__(self, header: Header, unpack: bool = True) -> None:
        self.header = header
        self.unpack = unpack
        for name, entry in header.tensors.items():
            if entry.dtype not in DTYPES and entry.dtype not in BLOCKS:
                raise Refused(
                    f"{header.path}: tensor {name!r} is of type {entry.dtype}", "torch has no such type", "model"
                )
        self._open: dict[Path, int] = {}
        weakref.finalize(self, _close, self._open)
        for file in header.files:
            self._open[file] = _descriptor(file)

    def __getitem__(self, name: str) -> Tensor:
        entry = self.header.tensors[name]
        scale = _tensor(entry.scale, self._open[entry.scale.file]) if entry.scale else None
        found = _tensor(entry, self._open[entry.file], scale)
        return found.numbers() if self.unpack and isinstance(found, Packed) else found

    def packed(self, name: str) -> Tensor:
        """A tensor's bytes as they are stored, uint8 (n,); of a quantised one, block after block."""
        entry = self.header.tensors[name]
        return _bytes(entry, self._open[entry.file])

    def __iter__(self) -> Iterator[str]:
        return iter(self.header.tensors)

    def __len__(self) -> int:
        return len(self.header.tensors)


def read_entry(entry: Entry) -> Tensor:
    """The tensor of an entry by itself, such as `torchfile.read_pickle` leaves in a table.

    Raises:
        Refused: its file cannot be read any more, or torch has no such type.
    """
    if entry.dtype not in DTYPES and entry.dtype not in BLOCKS:
        raise Refused(f"{entry.file} holds a tensor of type {entry.dtype}", "torch has no such type", "model")
    descriptor = _descriptor(entry.file)
    try:
        found = _tensor(entry, descriptor, read_entry(entry.scale) if entry.scale else None)
        return found.numbers() if isinstance(found, Packed) else found
    finally:
        os.close(descriptor)


def _tensor(entry: Entry, descriptor: int, scale: Tensor | None = None) -> Tensor:
    data = _bytes(entry, descriptor)
    packed = entry.dtype in BLOCKS
    numbers = data if packed else data.view(DTYPES[entry.dtype])
    if entry.strides is not None:  # of packed ones 8-bit floats alone, of which a byte is a number
        numbers = numbers.as_strided(entry.shape, entry.strides)
    if not packed:
        return numbers.view(entry.shape)
    return Packed(numbers.flatten(), entry.dtype, entry.shape, None if scale is None else scale.float().view(()))


def _bytes(entry: Entry, descriptor: int) -> Tensor:
    try:
        return mapped(descriptor, entry.span, max(1, BITS.get(entry.dtype, 16) // 8))
    except OSError as error:
        raise Refused(f"cannot read {entry.file}", error.strerror or "the file is damaged", "model") from None


def _descriptor(file: Path) -> int:
    try:
        return os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise Refused(f"cannot read {file}", error.strerror or "check the path", "model") from None


def _close(descriptors: dict[Path, int]) -> None:
    for descriptor in descriptors.values():
        os.close(descriptor)
