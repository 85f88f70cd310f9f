"""A paused run as a file: safetensors whose tensors are the state's, and whose metadata tell how it came there.

    x, data          the sample and the last data guess, a batch of one
    memory/NAME      what the sampler and the guidance keep

All metadata stand in one entry, so that equal runs give equal bytes, and the file's sha256 names the state.
"""

import hashlib
import json
from math import prod
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.core.level import shared
from unnoise.core.state import Paused, State
from unnoise.media import atomic
from unnoise.media.record import LIMIT, from_json
from unnoise.weights.header import Header, read_header

KEY = "unnoise_state"
FORMAT = 1
LARGEST = 8 * 2**30
MOST = 1000
HEADER = 2 * LIMIT
"""The most bytes of its header: the record, its quotes escaped, and what stands beside it."""
ROOM = 256
"""The most that a memory may hold, in samples."""
_MEMORY = "memory/"
_TYPES = {"F64", "F32", "I64", "I32", "U8", "BOOL", "BF16", "F16"}


def encoded(paused: Paused) -> bytes:
    """The file's bytes.

    Raises:
        Refused: the state is no single picture's, or holds what no file can.
    """
    state = paused.state
    if len(state.x) != 1 or state.level.t.ndim:
        raise Refused("only a run of one picture can be paused", "ask for one, or compute them with exact", "count")
    tensors = {"x": state.x, **({} if state.data is None else {"data": state.data})}
    tensors |= {_MEMORY + name: value for name, value in state.memory.items()}
    # A copy each: two names may share one tensor, which the format does not hold.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    if not bool(torch.isfinite(tensors["x"]).all()):
        raise Refused("the state holds values that are not finite", "pause earlier, or use float32", "state")
    level = [float(v) for v in (state.level.t, state.level.alpha, state.level.sigma)]
    said = {"format": FORMAT, "step": state.step, "level": level, "sum": _sum(tensors), "record": paused.record.json()}
    return save(tensors, {KEY: json.dumps(said, sort_keys=True)})


def write(path: Path, paused: Paused) -> str:
    """Write the file, whole or not at all; gives its sha256.

    Raises:
        Refused: as `encoded`, or the folder cannot be written to.
    """
    data = encoded(paused)
    atomic.write(path, data)
    return hashlib.sha256(data).hexdigest()


def read(path: Path) -> tuple[Paused, str]:
    """A paused run and its file's sha256, on the CPU.

    Raises:
        Refused: the file is missing, damaged, or no paused run's.
    """
    _check_length(path)
    header = read_header(path)
    if KEY not in header.metadata:
        raise Refused(f"{path} holds no paused run", "name a file that --pause-at and --state made", "state")
    _check_shapes(header)
    try:
        data = path.read_bytes()
        tensors = load(data)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise _damaged(path, str(error)[:100]) from None
    return _assembled(path, header.metadata[KEY], tensors), hashlib.sha256(data).hexdigest()


def _check_length(path: Path) -> None:
    """Reading the names of a million tensors would take a minute: a state has a record and few names."""
    if not path.is_file():  # which reading the header will tell of, too
        return
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
    except OSError:  # which reading the header will tell of
        return
    if HEADER < length <= path.stat().st_size:
        raise _damaged(path, f"its header has {length:,} bytes")


def _check_shapes(header: Header) -> None:
    """Before a byte of a tensor is read: no file may ask for more memory than a state needs."""
    found = header.tensors
    unknown = [n for n in found if n not in ("x", "data") and not n.startswith(_MEMORY)]
    if unknown or "x" not in found or len(found) > MOST:
        why = f"it has {len(found):,} tensors" if len(found) > MOST else f"no state has {(unknown or ['no x'])[0]!r}"
        raise _damaged(header.path, why[:100])
    x = found["x"]
    if not 2 <= len(x.shape) <= 6 or x.shape[0] != 1 or not prod(x.shape) or x.dtype not in ("F32", "F64"):
        raise _damaged(header.path, f"its x is {x.dtype} {list(x.shape)}, no single sample")
    if "data" in found and (found["data"].shape != x.shape or found["data"].dtype not in ("F32", "F64")):
        raise _damaged(header.path, f"its data is {list(found['data'].shape)}, its x {list(x.shape)}")
    if wrong := [n for n, e in found.items() if e.dtype not in _TYPES]:
        raise _damaged(header.path, f"{wrong[0][:60]!r} is of a type no state has")
    if header.parameters > ROOM * prod(x.shape) + 100_000 or header.path.stat().st_size > LARGEST:
        raise _damaged(header.path, "it holds far more than a state")


def _assembled(path: Path, text: str, tensors: dict[str, Tensor]) -> Paused:
    step, level, total, record = _said(path, text)
    if total != _sum(tensors):
        raise _damaged(path, "its tensors are not those that were saved")
    for name, value in tensors.items():
        # A memory may hold the log SNR of a level without data, which is infinite.
        bad = torch.isnan(value) if name.startswith(_MEMORY) else ~torch.isfinite(value)
        if bool(bad.any()):
            raise _damaged(path, f"{name[:60]!r} holds numbers that are not finite")
    memory = {n.removeprefix(_MEMORY): v for n, v in tensors.items() if n.startswith(_MEMORY)}
    return Paused(State(tensors["x"], shared(*level), step, tensors.get("data"), memory), from_json(record))


def _said(path: Path, text: str) -> tuple[int, list[float], str, str]:
    """Step, level, checksum and record, each as what it should be."""
    try:
        said = json.loads(text)
        version, step, level = said["format"], said["step"], said["level"]
        total, record = said["sum"], said["record"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _damaged(path, "its description cannot be read") from None
    if type(version) is int and version > FORMAT:
        raise Refused(f"{path} was written by a newer unnoise", "upgrade unnoise to read it", "state")
    numbers = isinstance(level, list) and len(cast(list[Any], level)) == 3
    numbers = numbers and all(type(v) is float and 0 <= v < 1e6 for v in level)
    if type(step) is not int or not 0 <= step < 1_000_000 or not numbers or not isinstance(record, str):
        raise _damaged(path, "its step or level is none")
    return step, level, str(total), record


def _sum(tensors: dict[str, Tensor]) -> str:
    """A checksum of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _damaged(path: Path, why: str) -> Refused:
    return Refused(f"{path} is no sound state", why, "state")
