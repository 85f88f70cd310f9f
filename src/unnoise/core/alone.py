"""One process at a time: a file or folder held against others, as long as the process lives."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def alone(handle: int, busy: Callable[[], None]) -> Generator[None]:
    """Hold an open file or folder against other processes; the lock ends with the process, however that ends.

    Args:
        handle: its descriptor, which stays the caller's to close.
        busy: called where another process holds it. If it raises nothing, that one's end is waited for.
    """
    try:
        import fcntl
    except ImportError:  # no such locks on Windows
        yield
        return
    with suppress(OSError):  # nor on some disks of a network
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy()
            fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)


@contextmanager
def alone_in(folder: Path, busy: Callable[[], None]) -> Generator[None]:
    """Hold a folder that is there, as `alone` does; nothing is written into it."""
    if sys.platform == "win32":  # it opens no folders
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with alone(handle, busy):
            yield
    finally:
        os.close(handle)
