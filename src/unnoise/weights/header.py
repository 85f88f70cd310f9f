"""The header of a safetensors file: names, types, shapes and metadata, checked before any tensor is read.

The format: eight bytes of little-endian length, that many bytes of JSON, then the tensors' bytes without gaps. The
library checks most of it when it reads; what it lets pass (repeated names, absurd counts, names with control
characters) is refused here, and a header alone tells what a file is without importing torch.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, cast

from unnoise.core.error import Refused

LONGEST = 64 * 2**20
MOST = 100_000
AXES = 64
SIZES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}


@dataclass(frozen=True)
class Entry:
    """One tensor as the header describes it: its type's name, its shape, and where its bytes lie."""

    dtype: str
    shape: tuple[int, ...]
    span: tuple[int, int]


@dataclass(frozen=True)
class Header:
    """What a file says of itself."""

    path: Path
    tensors: Mapping[str, Entry]
    metadata: Mapping[str, str]

    @property
    def parameters(self) -> int:
        """How many numbers it holds."""
        return sum(prod(entry.shape) for entry in self.tensors.values())


def read_header(path: Path) -> Header:
    """Read and check a safetensors header.

    Raises:
        Refused: the file is missing, cut short, or no safetensors file.
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe could wait for ever
            raise Refused(f"cannot read {path}", "it is a folder, a pipe or a device; name a file", "model")
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            size = path.stat().st_size
            if not 2 <= length <= min(LONGEST, size - 8):
                raise _broken(path, "its header's length is wrong")
            text = file.read(length)
    except OSError as error:
        raise Refused(f"cannot read {path}", error.strerror or "check the path", "model") from None
    try:
        content = cast(object, json.loads(text, object_pairs_hook=_once))
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise _broken(path, f"its header is no JSON ({str(error)[:80]})") from None
    except RecursionError:
        raise _broken(path, "its header is nested too deeply") from None
    if not isinstance(content, dict) or len(content) > MOST:
        raise _broken(path, "its header is no table of tensors")
    return _checked(path, cast(dict[str, Any], content), size - 8 - length)


def _checked(path: Path, content: dict[str, Any], room: int) -> Header:
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in cast(dict[str, Any], metadata).values()):
        raise _broken(path, "its metadata are no texts")
    tensors: dict[str, Entry] = {}
    for name, value in content.items():
        entry = _entry(value)
        if entry is None:
            raise _broken(path, f"tensor {name[:60]!r} is not described")
        if not name.isprintable():
            raise _broken(path, f"tensor {name[:60]!r} has a name with control characters")
        first, last = entry.span
        if first > last or prod(entry.shape) * SIZES.get(entry.dtype, 0) > last - first:
            raise _broken(path, f"tensor {name[:60]!r} does not fit its bytes")
        if last > room:
            raise _broken(path, f"it is cut short: tensor {name[:60]!r} ends {last - room} bytes after the file")
        tensors[name] = entry
    return Header(path, tensors, cast(dict[str, str], metadata))


def _entry(value: Any) -> Entry | None:
    """A tensor's description, where it is one."""
    try:
        dtype, shape, (first, last) = value["dtype"], tuple(value["shape"]), value["data_offsets"]
    except (TypeError, KeyError, ValueError):
        return None
    numbers = (*shape, first, last)
    sound = isinstance(dtype, str) and all(type(n) is int and n >= 0 for n in numbers) and len(shape) <= AXES
    return Entry(dtype, shape, (first, last)) if sound else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _broken(path: Path, why: str) -> Refused:
    return Refused(f"{path} is no whole safetensors file", why, "model")
