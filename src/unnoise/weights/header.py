"""What a weight file holds, told from its header alone: shapes, types and metadata, without a tensor and without torch.

The format is told by the first bytes, never by the name: a pickle called
`model.safetensors` is read as the pickle it is.
"""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from unnoise.core.error import Refused
from unnoise.weights import gguf, safetensors, sharded, torchfile
from unnoise.weights.entry import Entry, Header
from unnoise.weights.scaled import with_scales

__all__ = ["Entry", "Header", "read_header"]

Reader = Callable[[Path, BinaryIO, int], Header]


def read_header(path: Path, index: bool = True) -> Header:
    """Read and check a header: safetensors, the index of a sharded file, GGUF, or what `torch.save` wrote.

    Args:
        index: whether an index of several files will do.

    Raises:
        Refused: the file is missing, damaged, cut short, hostile, or of no format we know.
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe could wait for ever
            raise Refused(f"cannot read {path}", "it is a folder, a pipe or a device; name a file", "model")
        with path.open("rb") as file:
            start, whole = file.read(512), path.stat().st_size
            file.seek(0)
            reader = _reader(path, start)
            if reader is sharded.read and not index:
                raise Refused(f"{path} should hold tensors", "it is an index of other files", "model")
            found = reader(path, file, whole)
            return with_scales(found) if index else found  # a shard is told by the names in its index
    except OSError as error:
        raise Refused(f"cannot read {path}", error.strerror or "check the path", "model") from None
    except ValueError as error:  # a NUL in the path
        if isinstance(error, Refused):
            raise
        raise Refused(f"cannot read {str(path)!r}", str(error)[:80], "model") from None


def _reader(path: Path, start: bytes) -> Reader:
    """Whose format starts like this."""
    for mark, reader in _MARKS.items():
        if start.startswith(mark):
            return reader
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= safetensors.LONGEST:
        return safetensors.read
    for mark, what in _STRANGERS.items():
        if start.lower().startswith(mark):
            raise Refused(f"{path} is no weights file, but {what}", "download the file again", "model")
    return sharded.read if start[:1] == b"{" else safetensors.read


_MARKS: dict[bytes, Reader] = {gguf.MAGIC: gguf.read, torchfile.ZIP: torchfile.read, torchfile.OLD: torchfile.read}
_STRANGERS = {
    b"version https://git-lfs": "a Git LFS pointer to one",
    b"<!doctype": "a web page",
    b"<html": "a web page",
}
