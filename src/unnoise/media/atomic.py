"""A file under its final name is whole: written beside it, flushed to the disk, then renamed."""

import contextlib
import errno
import os
import secrets
from collections.abc import Generator
from os import PathLike
from pathlib import Path

from unnoise.core.error import Refused

PREFIX, SUFFIX = ".unnoise-", ".tmp"
"""How a file in the making is called; after a kill, a sweep may remove what matches."""

_REMEDIES = {
    errno.ENOENT: "make the folder first",
    errno.ENOTDIR: "name a folder that exists",
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "free some space",
    errno.EISDIR: "name a file",
}


@contextlib.contextmanager
def staged(path: str | PathLike[str]) -> Generator[Path]:
    """A name to write a file under; when the block ends well, that file is flushed to the disk and takes `path`'s name.

    On any fault the folder is as it was.

    Raises:
        Refused: if the folder is missing, read-only or full.
    """
    target = Path(path)
    temporary = target.parent / f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}"
    try:
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            with contextlib.suppress(OSError, ValueError):
                temporary.unlink()
            raise
        settle(target.parent)
    except (OSError, ValueError) as fault:  # ValueError: a NUL in the path
        if isinstance(fault, Refused):
            raise
        number = fault.errno if isinstance(fault, OSError) else None
        reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
        raise Refused(f"cannot write {path}: {reason}", _REMEDIES.get(number or 0, "name another folder")) from None


def write(path: str | PathLike[str], data: bytes) -> None:
    """Writes the bytes, replacing a file of that name; on any fault the folder is as it was.

    Raises:
        Refused: if the folder is missing, read-only or full.
    """
    with staged(path) as temporary, temporary.open("xb") as file:
        file.write(data)


def settle(folder: Path) -> None:
    """Makes a rename survive a power cut, where folders can be flushed."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
