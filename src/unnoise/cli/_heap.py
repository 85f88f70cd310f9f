"""A process that makes pictures keeps the memory that it has.

A step asks for the same megabytes over and over. glibc gives each large block back to the system when it is freed, and
the next is made of pages that are new: the system clears them one at a time, half a second of a step of ten on two
cores. And Python looks through all that it imported whenever some hundred objects are made: 0.2 s of a start of three.
"""

import ctypes
import gc
import os

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""As malloc.h numbers mallopt's settings."""
LARGEST = 2**25
"""The largest block that glibc lets one keep."""
KEPT, AHEAD = 2**30, 2**28
"""So much that is free at a heap's end stays there, and so much it grows at once: addresses, not yet pages."""
OBJECTS = 50_000
"""Made and not gone, before Python looks for those that hold each other."""


def keep_memory() -> None:
    """Have freed memory kept for what comes next, where the system's C library is glibc."""
    gc.set_threshold(OBJECTS)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, LARGEST)
        mallopt(TRIM_THRESHOLD, KEPT)
        mallopt(TOP_PAD, AHEAD)
