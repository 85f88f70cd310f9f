"""Writing GGUF: Q8_0, half as large as float16 and nearly as exact, or plain numbers.

Quantised are matrices and whatever has more axes; vectors are few and keep their type. A tensor whose rows do not fit
into blocks is stored in rows of 256, and its proper shape in the metadata.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from struct import pack
from typing import Any, BinaryIO, Literal, cast

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.media.atomic import staged
from unnoise.weights.entry import size
from unnoise.weights.gguf import ALIGNMENT, LIST, MAGIC, SCALARS, SHAPE, TEXT, TYPES
from unnoise.weights.place import finite
from unnoise.weights.quants import packed_q8_0

Kind = Literal["F32", "F16", "BF16", "Q8_0"]
Value = str | bool | int | float | tuple[int, ...]

ROW = 256
AXES = 4
FILE_TYPES = {"F32": 0, "F16": 1, "Q8_0": 7, "BF16": 32}
"""What ggml calls a file most of whose tensors are of a type."""
_NUMBERS = {name: number for number, name in TYPES.items()}
_PLAIN = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float64: "F64",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.int32: "I32",
    torch.int64: "I64",
    torch.float8_e4m3fn: "F16",
    torch.float8_e5m2: "F16",
}
_TORCH = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass(frozen=True)
class _Planned:
    """How a tensor is stored, and from which byte on, counted from the first tensor."""

    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def bytes(self) -> int:
        return size(self.dtype, prod(self.shape))


def write_gguf(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Value], kind: Kind) -> None:
    """Write a file that appears under its name only when it is whole.

    Args:
        tensors: may be lazy: each is asked for twice, for its shape and for its numbers, one at a time.
        metadata: `general.architecture` among them, which other programs ask for.
        kind: the type of all that is no vector.

    Raises:
        Refused: a tensor is not finite, too large for the type or of one that GGUF has not; or the folder cannot be
            written to, or is full.
    """
    planned, shapes = _planned(tensors, kind)
    said: dict[str, Value] = {
        "general.quantization_version": 2,
        "general.file_type": FILE_TYPES[kind],
        **metadata,
        "general.alignment": ALIGNMENT,
        **shapes,
    }
    with staged(path) as beside, beside.open("xb") as file:
        file.write(MAGIC + pack("<IQQ", 3, len(planned), len(said)))
        for name, value in said.items():
            file.write(_text(name) + _value(value))
        for name, one in planned.items():
            sizes = pack(f"<I{len(one.shape)}Q", len(one.shape), *reversed(one.shape))
            file.write(_text(name) + sizes + pack("<IQ", _NUMBERS[one.dtype], one.offset))
        _pad(file)
        for name, one in planned.items():
            file.write(cast(Any, _stored(tensors[name], one.dtype, name).numpy()))
            _pad(file)


def _planned(tensors: Mapping[str, Tensor], kind: Kind) -> tuple[dict[str, _Planned], dict[str, Value]]:
    """Each tensor's place, and the proper shapes of those that are stored in another."""
    found: dict[str, _Planned] = {}
    shapes: dict[str, Value] = {}
    at = 0
    for name, tensor in tensors.items():
        dtype, shape = _form(name, tensor, kind)
        found[name] = one = _Planned(dtype, shape, at)
        if shape != tuple(tensor.shape):
            shapes[SHAPE + name] = tuple(tensor.shape)
        at += one.bytes + -one.bytes % ALIGNMENT
    return found, shapes


def _form(name: str, tensor: Tensor, kind: Kind) -> tuple[str, tuple[int, ...]]:
    """The type and the shape that a tensor is stored in."""
    if tensor.dtype not in _PLAIN:
        raise Refused(f"GGUF has no type for tensor {name!r}, {tensor.dtype}", "convert to safetensors", "out")
    shape: tuple[int, ...] = tuple(tensor.shape)
    own = _PLAIN[tensor.dtype]
    dtype = kind if tensor.is_floating_point() and len(shape) > 1 else own
    if dtype == "Q8_0" and not _rows_of(32, shape):
        if _rows_of(ROW, (prod(shape),)):
            shape = (prod(shape) // ROW, ROW)
        else:
            dtype = own
    if len(shape) > AXES:
        shape = (prod(shape[:-1]), *shape[-1:])
    return dtype, shape or (1,)


def _rows_of(count: int, shape: tuple[int, ...]) -> bool:
    """Whether a tensor's rows are cut into so many numbers each, with none left."""
    return prod(shape) > 0 and all(length % count == 0 for length in shape[-1:])


def _stored(tensor: Tensor, dtype: str, name: str) -> Tensor:
    """A tensor's bytes, uint8 (n,)."""
    numbers = tensor.detach().cpu().contiguous().flatten()
    if not finite(numbers):
        raise Refused(f"tensor {name!r} holds numbers that are not finite", "the file is damaged", "model")
    if dtype == "Q8_0":
        packed = packed_q8_0(numbers)
        numbers = packed.view(-1, 34)[:, :2].contiguous().view(torch.float16)
    else:
        packed = numbers = numbers.to(_TORCH.get(dtype, numbers.dtype))
    if not finite(numbers):
        raise Refused(f"tensor {name!r} holds numbers too large for {dtype}", "choose BF16 or F32", "out")
    return packed.view(torch.uint8)


def _text(text: str) -> bytes:
    data = text.encode()
    return pack("<Q", len(data)) + data


def _value(value: Value) -> bytes:
    """A value of metadata, its type before it."""
    if isinstance(value, str):
        return pack("<I", TEXT) + _text(value)
    if isinstance(value, tuple):
        return pack(f"<IIQ{len(value)}i", LIST, 5, len(value), *value)
    kind = 7 if isinstance(value, bool) else 12 if isinstance(value, float) else 4 if 0 <= value < 2**32 else 11
    return pack("<I", kind) + SCALARS[kind].pack(value)


def _pad(file: BinaryIO) -> None:
    file.write(bytes(-file.tell() % ALIGNMENT))
