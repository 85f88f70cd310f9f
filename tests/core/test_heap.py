"""Memory that a process has had stays its own."""

import ctypes
import subprocess
import sys

import pytest

GLIBC = hasattr(ctypes.CDLL(None), "gnu_get_libc_version") if sys.platform == "linux" else False

AGAIN = """
import contextlib, ctypes, resource, sys
from unnoise.core.heap import giving_back, keep_memory

if sys.argv[1] != "not kept":
    keep_memory()
calls = ctypes.CDLL(None)
calls.malloc.restype, calls.malloc.argtypes, calls.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]


def step(size=30 * 2**20):
    blocks = [calls.malloc(size) for _ in range(3)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    for block in blocks:
        calls.free(block)


step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
with giving_back() if sys.argv[1] == "given back" else contextlib.nullcontext():
    for _ in range(4):
        step()
new = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
held = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))
print(new, held)
"""


@pytest.mark.skipif(not GLIBC, reason="only glibc gives large blocks back")
def test_blocks_that_are_freed_are_there_for_the_next_step_but_where_they_are_to_be_given_back():
    new, held = {}, {}
    for way in ("kept", "not kept", "given back"):
        found = subprocess.run([sys.executable, "-c", AGAIN, way], capture_output=True, text=True, check=True)
        new[way], held[way] = map(int, found.stdout.split())
    assert new["kept"] < 100 < 10_000 < min(new["not kept"], new["given back"])
    assert held["given back"] < held["kept"] - 60_000


def test_what_an_import_makes_is_not_looked_through_again_and_again():
    code = "import gc, unnoise.core.heap as heap; heap.keep_memory(); print(gc.isenabled(), *gc.get_threshold())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    enabled, first, *_ = found.stdout.split()
    assert enabled == "True" and int(first) > 10_000
