"""kill -9 at any moment leaves a snapshot to go on from; the resumed run is the one that nobody killed, bit for bit."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("kills.py")


def killed(folder: Path, stride: int, first: int = 1) -> list[dict[str, Any]]:
    paths = [p for p in sys.path if p]
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), str(stride), str(first)],
        env={"PYTHONPATH": ":".join(paths), "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    *attempts, total = map(json.loads, ended.stdout.splitlines())
    assert total["points"] > 50
    return attempts


def check(attempts: list[dict[str, Any]]) -> None:
    for attempt in attempts:
        assert attempt["ended"] == -9, attempt
        assert attempt["loadable"], attempt
        assert attempt["resumed"] == 0, attempt
        assert attempt["differs"] == [], attempt


@pytest.mark.skipif(sys.platform == "win32", reason="kills by fork and SIGKILL")
def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(tmp_path: Path) -> None:
    attempts = killed(tmp_path, 24, 5)
    assert len({attempt["from"] for attempt in attempts}) > 1
    check(attempts)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills by fork and SIGKILL")
def test_at_every_file_operation(tmp_path: Path) -> None:
    check(killed(tmp_path, 1))
