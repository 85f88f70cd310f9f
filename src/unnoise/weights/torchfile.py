"""What `torch.save` writes (.ckpt, .pt, .pth, .bin), read as data: today's archive, and the stream before torch 1.6.

Both are a pickle of plain values with references to storages, runs of numbers outside the pickle; a tensor is a view
into one. Where a tensor would be, there stands its `Entry`. In an archive, `NAME/data.pkl` is the pickle and
`NAME/data/KEY` a storage; in a stream four pickles (magic number, protocol, machine, value) come first, then the list
of keys, and then for each key a count of eight bytes and its numbers.
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

from unnoise.core.error import Refused
from unnoise.weights import zipped
from unnoise.weights.entry import BITS, MOST, Entry, Header, broken, check_name
from unnoise.weights.pickled import Opaque, Unreadable, unpickled
from unnoise.weights.storages import Storage, class_of, makers, reference, storage

ZIP = b"PK\3\4"
OLD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
LARGEST = 32 * 2**20
"""The most bytes of a pickle; a checkpoint of Stable Diffusion has a hundredth of that."""
SHARED = 4
"""The most bytes of all tensors together, in sizes of the file: tied weights are stored once."""


def read_pickle(path: Path) -> Any:
    """The plain values that a file by `torch.save` holds, with an `Entry` for each tensor.

    Tables are dicts (a ParameterDict, too), lists and tuples as they were, sets are lists; what was an object of some
    program is an inert `Opaque` note. Values may contain themselves.

    Raises:
        Refused: the file is no such file, damaged or hostile.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(OLD))
            if not start.startswith((ZIP, OLD)):
                raise broken(path, "it is no file that torch.save wrote", "torch")
            return _value(path, file, path.stat().st_size)
    except OSError as error:
        raise Refused(f"cannot read {path}", error.strerror or "check the path", "model") from None


def read(path: Path, file: BinaryIO, whole: int) -> Header:
    """The tensors of the table that a file holds; of `state_dict` or the like where it holds tables of tables.

    Raises:
        Refused: the file is damaged, hostile, or holds no tensors.
    """
    value = _value(path, file, whole)
    if isinstance(value, list | tuple):
        value = {str(i): one for i, one in enumerate(cast(list[Any], value))}
    if not isinstance(value, dict):
        what = "an object" if isinstance(value, Opaque) else f"a {type(value).__name__}"
        raise Refused(f"{path} holds {what}, no table of tensors", "save its state_dict() instead", "model")
    table = cast(dict[Any, Any], value)
    tensors = _tensors(table)
    if not tensors or len(tensors) > MOST:
        raise Refused(f"{path} holds {len(tensors):,} tensors by name", "name another file", "model")
    for name in tensors:
        check_name(path, name, "torch")
    if sum(entry.bytes for entry in tensors.values()) > SHARED * whole:
        raise broken(path, "its tensors are far larger than the file", "torch")
    return Header(path, tensors, _metadata(table), "torch")


PREFERRED = ("state_dict", "params_ema", "params", "model")


def _tensors(table: dict[Any, Any]) -> dict[str, Entry]:
    """The tensors by name: the table's own; else those of the table in it that is most likely meant; else of them all,
    with that table's name before theirs."""
    if own := _own(table):
        return own
    named = {str(k): v for k, v in table.items() if isinstance(k, str | int) and isinstance(v, dict)}
    inner = {name: found for name, v in named.items() if (found := _own(cast(Any, v)))}
    for name in PREFERRED:
        if name in inner:
            return inner[name]
    if len(inner) == 1:
        return next(iter(inner.values()))
    return {f"{outer}.{name}": entry for outer, found in inner.items() for name, entry in found.items()}


def _own(table: dict[Any, Any]) -> dict[str, Entry]:
    return {k: v for k, v in table.items() if isinstance(k, str) and isinstance(v, Entry)}


def _metadata(table: dict[Any, Any]) -> dict[str, str]:
    """Texts and numbers beside the tensors, such as how many steps a model was trained."""
    plain = {k: v for k, v in table.items() if isinstance(k, str) and isinstance(v, str | int | float)}
    return {k: str(v) for k, v in plain.items() if not isinstance(v, int) or abs(v) < 2**63}


def _value(path: Path, file: BinaryIO, whole: int) -> Any:
    file.seek(0)
    old = file.read(len(OLD)) == OLD
    try:
        return _stream(path, file, whole) if old else _archive(path, file, whole)
    except Unreadable as error:
        raise broken(path, str(error), "torch") from None


def _archive(path: Path, file: BinaryIO, whole: int) -> Any:
    found = zipped.spans(path, file, whole)
    pickles = [name for name in found if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise broken(path, "it is an archive, but none that torch.save wrote", "torch")
    top = pickles[0].removesuffix("data.pkl")
    if top + "constants.pkl" in found:
        raise Refused(f"{path} is a TorchScript program", "save its state_dict() instead", "model")
    if _bytes(file, found.get(top + "byteorder", (0, 0)), 8) not in (b"", b"little"):
        raise broken(path, "its numbers are stored in another order of bytes", "torch")
    first, last = found[pickles[0]]
    if last - first > LARGEST:
        raise broken(path, f"its pickle has {last - first:,} bytes", "torch")

    def stored(said: Any) -> Storage:
        key, dtype, count = reference(said)
        span = found.get(f"{top}data/{key}")
        if span is None:
            raise Unreadable(f"its storage {key[:40]!r} is missing")
        return storage(dtype, span[0], count, span[1])

    return unpickled(BytesIO(_bytes(file, (first, last), LARGEST)), makers(path), stored)


def _stream(path: Path, file: BinaryIO, whole: int) -> Any:
    """The value is read twice: where the numbers lie is only known from what follows it."""
    file.seek(0)
    text = BytesIO(file.read(LARGEST))
    _, protocol, machine = (unpickled(text, {}, reference) for _ in range(3))
    if protocol != 1001 or (isinstance(machine, dict) and cast(dict[str, Any], machine).get("little_endian") is False):
        raise Unreadable("it is of a format that torch no longer writes")
    begin, counts = text.tell(), dict[str, int]()

    def noted(said: Any) -> Any:
        if (kind := class_of(said)) is not None:
            return kind
        key, dtype, count = reference(said)
        counts[key] = max(counts.get(key, 0), count * BITS[dtype or "U8"] // 8)

    unpickled(text, {}, noted)
    keys = _keys(unpickled(text, {}, reference), counts)
    at, firsts = text.tell(), dict[str, int]()
    for key in keys:
        firsts[key] = at + 8
        at += 8 + counts.get(key, 0)
    if at != whole:
        raise Unreadable("it is cut short, or holds more than its tensors")
    text.seek(begin)

    def stored(said: Any) -> Any:
        if (kind := class_of(said)) is not None:
            return kind
        key, dtype, count = reference(said)
        return storage(dtype, firsts[key], count, whole)

    return unpickled(text, makers(path), stored)


def _keys(listed: Any, used: Mapping[str, int]) -> list[str]:
    """The storages that follow, in their order."""
    keys = cast(list[Any], listed) if isinstance(listed, list) else []
    if not all(isinstance(key, str) for key in keys) or set(keys) != set(used) or len(keys) != len(used):
        raise Unreadable("its list of storages does not hold those that it uses")
    return keys


def _bytes(file: BinaryIO, span: tuple[int, int], most: int) -> bytes:
    file.seek(span[0])
    return file.read(min(span[1] - span[0], most))
