"""Weight files made by hand: sound ones of every format, byte by byte, and what a stranger may make of them.

Other tests of hostile files build on these: `archive` puts any pickle into a torch archive, `Steps` writes pickles that
no program would, `mutants` damages a file at random.
"""

import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from unnoise.core.error import Refused
from unnoise.weights.header import read_header
from unnoise.weights.open import open_tensors


def safetensors(header, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with this header, JSON or raw bytes, whatever it says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype="F32", shape=(1,), offsets=(0, 4), **more):
    """A tensor's description in such a header."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


class Steps:
    """A pickle written step by step: plain values by `value`, anything else by name."""

    def __init__(self, text: bytes = b"\x80\x02") -> None:
        self.text = text

    def value(self, value) -> "Steps":
        return Steps(self.text + pickle.dumps(value, 2)[2:-1])

    def name(self, module: str, name: str) -> "Steps":
        return Steps(self.text + f"c{module}\n{name}\n".encode())

    def raw(self, text: bytes) -> "Steps":
        return Steps(self.text + text)

    def done(self) -> bytes:
        return self.text + b"."


def storage(steps: Steps, key="0", count=4, kind=("torch", "FloatStorage")) -> Steps:
    """A reference to a storage, as torch writes it."""
    return steps.raw(b"(").value("storage").name(*kind).value(key).value("cpu").value(count).raw(b"tQ")


def tensor(steps: Steps, offset=0, shape=(4,), strides=(1,), **of) -> Steps:
    """A tensor of a storage, as torch writes it."""
    begun = storage(steps.name("torch._utils", "_rebuild_tensor_v2").raw(b"("), **of)
    return begun.value(offset).value(shape).value(strides).raw(b"\x89}tR")


def table(*values: Steps) -> bytes:
    """The pickle of a table: a, b, c, ... -> these values."""
    steps = Steps().raw(b"}")
    for name, value in zip("abcdefgh", values, strict=False):
        steps = steps.value(name).raw(value.text).raw(b"s")
    return steps.done()


def part() -> Steps:
    """Steps that belong inside a pickle."""
    return Steps(b"")


def archive(text: bytes, files=None, method=zipfile.ZIP_STORED, top="archive") -> bytes:
    """An archive as torch writes it, with this pickle and these storages; `/x` is a file beside its folder."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as out:
        out.writestr(f"{top}/data.pkl", text)
        for name, data in ({"data/0": bytes(16)} if files is None else files).items():
            out.writestr(name[1:] if name[0] == "/" else f"{top}/{name}", data)
    return made.getvalue()


def stream(text: bytes, keys=("0",), data: bytes = struct.pack("<Q", 4) + bytes(16)) -> bytes:
    """What torch wrote before version 1.6."""
    first = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    return b"".join(pickle.dumps(v, 2) for v in first) + text + pickle.dumps(list(keys), 2) + data


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def listed(name="a", sizes=(4,), kind=0, offset=0) -> bytes:
    """A tensor's description in a GGUF header."""
    return text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)


def gguf(tensors=None, said=(), data: bytes = bytes(16), version=3, counts=None, align=32) -> bytes:
    """A GGUF file with these descriptions and metadata."""
    tensors = [listed()] if tensors is None else tensors
    head = b"GGUF" + struct.pack("<IQQ", version, *(counts or (len(tensors), len(said))))
    head += b"".join((*said, *tensors))
    return head + bytes(-len(head) % align) + data


def refused(path: Path, data: bytes, says: str | None = None) -> None:
    """See that a file of these bytes is refused by name, both by its header and when it is opened."""
    path.write_bytes(data)
    for read in (read_header, open_tensors):
        with pytest.raises(Refused, match=says) as error:
            read(path)
        assert path.name in str(error.value) and "\n" not in str(error.value)


def sound(path: Path) -> bool:
    """Whether a file is read, in which case all that its header says has to be so; or refused."""
    try:
        tensors = open_tensors(path)
        header = tensors.header
        shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    except Refused as error:
        assert str(error) and "\n" not in str(error)
        return False
    assert shapes == header.shapes
    assert all(0 <= e.span[0] <= e.span[1] <= e.file.stat().st_size for e in header.tensors.values())
    return True


def overwrite(path: Path, data: bytes) -> None:
    """Put other bytes into a file that is there; emptying it first, as opening it would, flushes it to the disk."""
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()


def mutants(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """The file with bytes changed, cut out, doubled or put in, or its end missing; the same ones every time."""
    draw = random.Random(seed)
    for _ in range(count):
        mutant = bytearray(data)
        for _ in range(draw.choice((1, 1, 1, 2, 4))):
            at, length = draw.randrange(len(mutant) + 1), draw.choice((0, 1, 1, 2, 4, 8))
            some = draw.randrange(len(data))
            mutant[at : at + length] = draw.choice(
                (
                    bytes([draw.randrange(256)]),
                    draw.randbytes(length),
                    draw.choice((b"\0", b"\xff", b"\x80", b"\x7f")) * length,
                    data[some : some + draw.choice((1, 4, 16, 64))],
                    struct.pack("<Q", draw.choice((0, 1, 2**31, 2**32, 2**63, 2**64 - 1, len(data)))),
                    b"",
                )
            )
        yield bytes(mutant[: draw.randrange(len(mutant) + 1)] if draw.random() < 0.1 else mutant)
