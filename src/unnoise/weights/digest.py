"""What tells weights from others: the sha256 of a file, computed once for each size and time of change; of tensors."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.core.home import home

if TYPE_CHECKING:
    from torch import Tensor


def sha256(path: Path) -> str:
    """The file's sha256 in hexadecimal, from the cache under UNNOISE_HOME where it is known."""
    stat = path.stat()
    key = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    cache = home() / "cache" / "sha256.json"
    known = _read(cache)
    if key not in known:
        with path.open("rb") as file:
            known[key] = hashlib.file_digest(file, "sha256").hexdigest()
        _write(cache, known)
    return known[key]


@dataclass(frozen=True, eq=False)
class Digests(Mapping[str, str]):
    """The sha256 of files by name, each computed when it is asked for: a large file takes longer to hash than a model
    takes to describe.

    Args:
        paths: where they lie.
    """

    paths: Mapping[str, Path]

    def __getitem__(self, name: str) -> str:
        return sha256(self.paths[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)


def hashes(path: Path) -> dict[str, str]:
    """What other programs call a file by: the sha256 of all of it, of a stretch within, or of its tensors, cut short.

    `autov1`: 64 KiB from the first MiB on, 8 digits; it tells few files apart. `autov2`: the first 10 digits of the
    whole, AUTOMATIC1111's "Model hash". `autov3`: the first 12 of what follows a safetensors header, which pictures
    name LoRAs by. Of a file cut short before the first MiB there is no `autov1`.
    """
    whole = sha256(path)
    found = {"sha256": whole, "autov2": whole[:10]}
    with path.open("rb") as file:
        file.seek(2**20)
        if stretch := file.read(2**16):
            found["autov1"] = hashlib.sha256(stretch).hexdigest()[:8]
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if file.read(1) == b"{" and 8 + length <= path.stat().st_size:
            file.seek(8 + length)
            found["autov3"] = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    return found


def of_tensors(tensors: "Mapping[str, Tensor]", more: str = "") -> str:
    """The sha256 in hexadecimal of tensors, by name, and of a text beside them."""
    import torch

    found = hashlib.sha256(more.encode())
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        found.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _read(cache: Path) -> dict[str, str]:
    try:
        found = json.loads(cache.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(cache: Path, known: dict[str, str]) -> None:
    """A cache that cannot be written is no error: the next run computes again."""
    beside = cache.with_name(f"{cache.name}.{os.getpid()}.tmp")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(dict(list(known.items())[-1000:])))
        beside.replace(cache)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
