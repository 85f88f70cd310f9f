"""What a weight file says of itself before any tensor is read, whichever format it has.

Every format ends in the same few facts about a tensor: a type, a shape, and which bytes of which file it is made of. So
there is one way to read them all (weights/open.py), and one to tell what a file is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from unnoise.core.error import Refused

MOST = 100_000
"""The most tensors a file may hold; the largest models have some thousands."""
AXES = 64

BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""How wide a number of a plain type is; names as safetensors has them."""

BLOCKS = {
    "Q4_0": (32, 18),
    "Q4_1": (32, 20),
    "Q5_0": (32, 22),
    "Q5_1": (32, 24),
    "Q8_0": (32, 34),
    "Q2_K": (256, 84),
    "Q3_K": (256, 110),
    "Q4_K": (256, 144),
    "Q5_K": (256, 176),
    "Q6_K": (256, 210),
    "IQ4_NL": (32, 18),
    "IQ4_XS": (256, 136),
    "F8_E4M3 scaled": (1, 1),
    "F8_E5M2 scaled": (1, 1),
}
"""Quantised types: of GGUF, so many numbers share a block of so many bytes; and 8-bit floats, a scale for them all."""

SCALED = {"F8_E4M3": "F8_E4M3 scaled", "F8_E5M2": "F8_E5M2 scaled"}
"""What a type is called where its numbers are to be multiplied by a scale."""


@dataclass(frozen=True)
class Entry:
    """One tensor as its file describes it.

    Args:
        dtype: its type's name, a key of `BITS` or `BLOCKS`.
        shape: as a module has it, whatever order the file keeps.
        span: the first of its bytes in the file, and the one after the last.
        file: where they lie.
        strides: steps along each axis, in numbers, where they do not simply follow each other.
        scale: what all its numbers are to be multiplied by, where that lies beside it.
    """

    dtype: str
    shape: tuple[int, ...]
    span: tuple[int, int]
    file: Path
    strides: tuple[int, ...] | None = None
    scale: "Entry | None" = None

    @property
    def bytes(self) -> int:
        """How many bytes its numbers take as they are stored."""
        return size(self.dtype, prod(self.shape))


@dataclass(frozen=True)
class Header:
    """What a file, or a file and its shards, says of itself.

    Args:
        path: the file that was asked for.
        tensors: by the names that the file gives them.
        metadata: texts beside them.
        kind: `safetensors`, `sharded`, `gguf` or `torch`.
    """

    path: Path
    tensors: Mapping[str, Entry]
    metadata: Mapping[str, str]
    kind: str = "safetensors"

    @property
    def parameters(self) -> int:
        """How many numbers it holds."""
        return sum(prod(entry.shape) for entry in self.tensors.values())

    @property
    def bytes(self) -> int:
        """How many bytes they take as they are stored."""
        return sum(entry.bytes for entry in self.tensors.values())

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor's shape by its name."""
        return {name: entry.shape for name, entry in self.tensors.items()}

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that it is made of, the one asked for first."""
        return tuple(dict.fromkeys((self.path, *(entry.file for entry in self.tensors.values()))))


def size(dtype: str, count: int) -> int:
    """How many bytes so many numbers of a type take; a block that is not full counts as one."""
    numbers, width = BLOCKS.get(dtype) or (8, BITS[dtype])
    return -(-count * width // numbers)


def proper(shape: tuple[int, ...]) -> bool:
    """Whether a shape is one that a tensor can have; beside an axis of 0 another might be beyond all."""
    return len(shape) <= AXES and prod(max(length, 1) for length in shape) < 2**60


def check_name(path: Path, name: str, kind: str) -> None:
    """See that a tensor's name is one to print.

    Raises:
        Refused: it holds control characters, or has no end.
    """
    if not name.isprintable() or len(name) > 1000:
        raise broken(path, f"tensor {name[:60]!r} has a name with control characters or without end", kind)


def broken(path: Path, why: str, kind: str = "safetensors") -> Refused:
    """The error about a damaged file."""
    return Refused(f"{path} is no whole {kind} file", why, "model")
