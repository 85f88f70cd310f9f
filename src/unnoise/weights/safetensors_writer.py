"""Writing safetensors one tensor after the other: the format's own library takes all of them in memory at once."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.media.atomic import staged
from unnoise.weights.lazy import Lazy
from unnoise.weights.open import DTYPES
from unnoise.weights.place import finite

LINE = 64
"""Bytes of a cache line. Torch's own tensors start on one, and how sums are made, to the last bit, depends on that."""
LENGTH = 8
"""Bytes before the header, which say how long it is."""
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_safetensors(path: Path, lazy: Lazy, metadata: Mapping[str, str]) -> None:
    """Write a file that appears under its name only when it is whole.

    Args:
        lazy: each tensor is asked for once, and gone before the next.

    Raises:
        Refused: a tensor is not finite or of a type that the format has not; or the folder cannot be written to, or is
            full.
    """
    check_room(path, lazy.bytes)
    names = _ordered(lazy.like)
    head = _header(lazy.like, names, metadata)
    with staged(path) as beside, beside.open("xb") as file:
        file.write(len(head).to_bytes(LENGTH, "little") + head)
        for name in names:
            file.write(_stored(name, lazy.tensors[name], lazy.like[name]))


def check_room(path: Path, wanted: int) -> None:
    """See that there is room for so many bytes, before hours are spent on filling the disk.

    Raises:
        Refused: there is not.
    """
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError:  # what is wrong with the folder, writing will tell
        return
    if wanted > free:
        what = f"{path} takes {wanted / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free"
        raise Refused(what, "free some space, or name another folder", "out")


def _ordered(like: Mapping[str, Tensor]) -> list[str]:
    """Those first that fill whole lines, so that all of them start on one, and then the widest numbers first, so that
    all lie at addresses that suit them."""

    def place(name: str) -> tuple[bool, int, str]:
        value = like[name]
        return (value.numel() * value.element_size() % LINE > 0, -value.element_size(), name)

    return sorted(like, key=place)


def _header(like: Mapping[str, Tensor], names: list[str], metadata: Mapping[str, str]) -> bytes:
    said: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name in names:
        value = like[name]
        if value.dtype not in _NAMES:
            raise Refused(f"safetensors has no type for tensor {name!r}, {value.dtype}", "choose a --dtype", "dtype")
        last = at + value.numel() * value.element_size()
        said[name] = {"dtype": _NAMES[value.dtype], "shape": list(value.shape), "data_offsets": [at, last]}
        at = last
    text = json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()
    return text + b" " * (-(len(text) + LENGTH) % LINE)


def _stored(name: str, tensor: Tensor, like: Tensor) -> Any:
    """A tensor's bytes, as numpy's uint8 (n,)."""
    if not finite(tensor):
        raise Refused(f"tensor {name!r} holds numbers that are not finite", "the file is damaged", "model")
    if (tensor.shape, tensor.dtype) != (like.shape, like.dtype):
        raise AssertionError(f"{name} is {tensor.shape} {tensor.dtype}, announced as {like.shape} {like.dtype}")
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
