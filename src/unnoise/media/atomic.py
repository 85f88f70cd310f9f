"""What lies under its final name is whole, a file or a folder: written beside it, flushed to the disk, then renamed."""

import contextlib
import errno
import os
import secrets
import shutil
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
        raise _refused(path, fault) from None


@contextlib.contextmanager
def staged_folder(path: str | PathLike[str]) -> Generator[Path]:
    """A folder to write into; when the block ends well, its files are flushed to the disk and it takes `path`'s name.

    On any fault there is nothing of that name, or an empty folder where one was.

    Raises:
        Refused: if there is something already, the folder is one that cannot be replaced (a disk's own, or the one that
            the process is in), or the folder around it is missing, read-only or full.
    """
    try:
        target = Path(path).resolve()
        temporary = target.parent / f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}"
        _check_free(target, path)
        if target.is_dir():  # known before the work, not after it
            _check_replaceable(target)
        try:
            temporary.mkdir()
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    with file.open("rb+") as written:
                        os.fsync(written.fileno())
            _check_free(target, path)
            if target.is_dir():
                target.rmdir()
            temporary.replace(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        settle(target.parent)
    except OSError as fault:
        raise _refused(path, fault) from None


def _check_free(target: Path, said: str | PathLike[str]) -> None:
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise Refused(f"there is something in {said} already", "name another folder, or take that away")


def _check_replaceable(target: Path) -> None:
    """See that an empty folder can be taken away, and leave one there."""
    if target == Path.cwd():
        raise Refused(f"the folder {target} is the one this runs in", "name it from outside, or name another folder")
    target.rmdir()
    target.mkdir()


def _refused(path: str | PathLike[str], fault: OSError | ValueError) -> Refused:
    """The fault as a person can mend it."""
    if isinstance(fault, Refused):
        return fault
    number = fault.errno if isinstance(fault, OSError) else None
    reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
    return Refused(f"cannot write {path}: {reason}", _REMEDIES.get(number or 0, "name another folder"))


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
