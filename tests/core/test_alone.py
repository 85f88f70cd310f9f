"""What one process holds, another is told of or waits for; and a process that is gone holds nothing."""

import os
import subprocess
import sys

import pytest

from unnoise.core.alone import alone
from unnoise.core.error import Refused

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no such locks")

HOLD = """
import os, sys
from unnoise.core.alone import alone
with alone(os.open(sys.argv[1], os.O_RDONLY), int):
    print("held", flush=True)
    input()
"""


def refuse() -> None:
    raise Refused("it is held", "wait", "out")


def test_another_process_s_folder_is_said_to_be_held_until_it_ends(tmp_path) -> None:
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    handle = os.open(tmp_path, os.O_RDONLY)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as other:
        assert other.stdout and other.stdout.readline()
        with pytest.raises(Refused, match="it is held"), alone(handle, refuse):
            pass
        other.kill()
        other.wait()
    with alone(handle, refuse):
        pass
    os.close(handle)


def test_it_is_free_again_afterwards(tmp_path) -> None:
    one, other = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    with alone(one, refuse), pytest.raises(Refused), alone(other, refuse):
        pass
    with alone(other, refuse):
        pass
    os.close(one)
    os.close(other)
