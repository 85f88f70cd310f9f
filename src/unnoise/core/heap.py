"""A process that makes pictures keeps the memory that its steps take, and gives it back for what takes more.

A step asks for the same megabytes over and over. glibc gives each large block back to the system when it is freed, and
the next is made of pages that are new: the system clears them one at a time, half a second of a step of ten on two
cores. And Python looks through all that it imported whenever some hundred objects are made: 0.2 s of a start of three.
"""

import contextlib
import ctypes
import gc
import os
from collections.abc import Generator
from typing import Any

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""As malloc.h numbers mallopt's settings."""
LARGEST = 2**25
"""The largest block that glibc lets one keep."""
KEEPING = {TRIM_THRESHOLD: 2**30, TOP_PAD: 2**28}
"""So much that is free at a heap's end stays there, and so much it grows at once: addresses, not yet pages."""
GIVING = {TRIM_THRESHOLD: 2 * LARGEST, TOP_PAD: 2**17}
"""What glibc comes to by itself once the largest block was freed."""
OBJECTS = 50_000
"""Made and not gone, before Python looks for those that hold each other."""

_keeping = False


def keep_memory() -> None:
    """Have freed memory kept for what comes next, where the system's C library is glibc: for a process of its own."""
    global _keeping
    gc.set_threshold(OBJECTS)
    _keeping = True
    _set({MMAP_THRESHOLD: LARGEST, **KEEPING})


@contextlib.contextmanager
def giving_back() -> Generator[None]:
    """Give what is free back to the system, and what is freed within; only in a process that keeps it."""
    if not _keeping:
        yield
        return
    _set(GIVING)
    if (trim := _call("malloc_trim")) is not None:
        trim(ctypes.c_size_t(0))
    try:
        yield
    finally:
        _set(KEEPING)


def _set(values: dict[int, int]) -> None:
    if (mallopt := _call("mallopt")) is not None:
        for setting, value in values.items():
            mallopt(setting, value)


def _call(name: str) -> Any:
    """A function of the system's C library; None where it has none of that name."""
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None
