"""Bytes of a file as a tensor, mapped and not read: the system fetches pages when they are looked at and drops them
when memory is short. What is written into such a tensor goes to memory of its own and never to the file, and when the
tensor is gone, so are its pages.

Python's own `mmap` keeps a file descriptor for each mapping, and a model has more tensors than a process may have of
those; so the system's is called.
"""

import ctypes
import mmap
import os
import weakref
from typing import Any, cast

import torch
from torch import Tensor

SMALL = 2**16
"""Fewer bytes are read: a mapping takes whole pages, and a call each way."""


def mapped(descriptor: int, span: tuple[int, int], width: int = 1) -> Tensor:
    """The bytes of a span of an open file, uint8 (n,), at an address that numbers of `width` bytes may lie at.

    Raises:
        OSError: the file has become shorter, or cannot be read.
    """
    first, last = span
    if os.fstat(descriptor).st_size < last:  # a page that is not there would end the process
        raise OSError(0, "the file has been changed meanwhile")
    if last - first < SMALL or first % width or _CALLS is None:
        return _read(descriptor, first, last - first)
    page = first - first % mmap.ALLOCATIONGRANULARITY
    address = _CALLS.mmap(None, last - page, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE, descriptor, page)
    if address in (None, _FAILED):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    _CALLS.madvise(address, last - page, mmap.MADV_SEQUENTIAL)  # pages behind may go, those ahead are fetched
    memory = (ctypes.c_uint8 * (last - page)).from_address(address)
    end = weakref.finalize(memory, _CALLS.munmap, address, last - page)
    end.atexit = False  # tensors may live longer than this module
    return torch.frombuffer(memory, dtype=torch.uint8, offset=first - page, count=last - first)


def _read(descriptor: int, first: int, count: int) -> Tensor:
    found = torch.empty(count, dtype=torch.uint8)
    view, at = memoryview(cast(Any, found.numpy())), 0
    while at < count:
        got = _read_into(descriptor, view[at:], first + at)
        if not got:
            raise OSError(0, "the file has been changed meanwhile")
        at += got
    return found


def _read_into(descriptor: int, view: memoryview, first: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [view], first)
    os.lseek(descriptor, first, os.SEEK_SET)  # Windows
    data = os.read(descriptor, len(view))
    view[: len(data)] = data
    return len(data)


def _calls() -> Any:
    """The system's own calls, where it has them."""
    if os.name != "posix":
        return None
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    library.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return library


_CALLS = _calls()
_FAILED = ctypes.c_void_p(-1).value
