"""The header of a safetensors file, checked before any tensor is read.

The format (https://github.com/huggingface/safetensors): eight bytes of little-endian length, that many bytes of JSON,
then the tensors' bytes, each following the last. All that the format promises is checked here, and what its own library
lets pass (repeated names, absurd counts, names with control characters) is refused as well.
"""

import json
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, cast

from unnoise.weights.entry import BITS, MOST, Entry, Header, broken, check_name, proper

LONGEST = 64 * 2**20


def read(path: Path, file: BinaryIO, whole: int) -> Header:
    """The header of a file of `whole` bytes.

    Raises:
        Refused: it is damaged, cut short, or of another format.
    """
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(LONGEST, whole - 8):
        raise broken(path, "its header's length is wrong")
    content = parsed(path, file.read(length))
    if len(content) > MOST:
        raise broken(path, f"it has {len(content):,} tensors")
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in cast(dict[str, Any], metadata).values()):
        raise broken(path, "its metadata are no texts")
    tensors = {name: _entry(path, name, said, 8 + length, whole) for name, said in content.items()}
    _check_packed(path, tensors, 8 + length, whole)
    return Header(path, tensors, cast(dict[str, str], metadata))


def parsed(path: Path, text: bytes) -> dict[str, Any]:
    """A table of JSON in which no name stands twice.

    Raises:
        Refused: it is none.
    """
    try:
        content = cast(object, json.loads(text, object_pairs_hook=_once))
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise broken(path, f"its header is no JSON ({str(error)[:80]})") from None
    except RecursionError:
        raise broken(path, "its header is nested too deeply") from None
    if not isinstance(content, dict):
        raise broken(path, "its header is no table of tensors")
    return cast(dict[str, Any], content)


def _entry(path: Path, name: str, said: Any, start: int, whole: int) -> Entry:
    check_name(path, name, "safetensors")
    try:
        dtype, shape, (first, last) = said["dtype"], tuple(said["shape"]), said["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise broken(path, f"tensor {name[:60]!r} is not described") from None
    numbers = (*shape, first, last)
    if not isinstance(dtype, str) or not all(type(n) is int and n >= 0 for n in numbers):
        raise broken(path, f"tensor {name[:60]!r} is not described")
    if not proper(shape):
        raise broken(path, f"tensor {name[:60]!r} has a shape beyond all", "safetensors")
    if dtype not in BITS:
        raise broken(path, f"tensor {name[:60]!r} is of the unknown type {dtype[:20]!r}")
    if prod(shape) * BITS[dtype] != (last - first) * 8:
        raise broken(path, f"tensor {name[:60]!r} does not fit its bytes")
    if last > whole - start:
        raise broken(path, f"it is cut short: tensor {name[:60]!r} ends {last - whole + start} bytes after the file")
    return Entry(dtype, shape, (start + first, start + last), path)


def _check_packed(path: Path, tensors: dict[str, Entry], start: int, whole: int) -> None:
    """See that every byte belongs to one tensor: nothing hides between them, and none is read as two."""
    at = start
    for name, entry in sorted(tensors.items(), key=lambda item: item[1].span):
        if entry.span[0] != at:
            what = "overlaps another" if entry.span[0] < at else "follows a gap"
            raise broken(path, f"tensor {name[:60]!r} {what}")
        at = entry.span[1]
    if at != whole:
        raise broken(path, f"{whole - at} bytes follow its last tensor")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found
