"""The log holds whole lines, and on resume nothing from after the snapshot."""

from contextlib import closing
from pathlib import Path

import pytest

from train.test_snapshot import room
from unnoise.core.error import Refused
from unnoise.train.log import Log, read


def test_lines_come_back(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.jsonl")
    log.add({"step": 1, "loss": 0.5})
    log.add({"step": 2, "loss": 0.25})
    assert read(tmp_path / "log.jsonl") == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]
    log.close()


def test_resuming_drops_later_lines_and_a_broken_one(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"step": 1}\n{"step": 2}\n{"step": 2, "heldout": 0.1}\n{"step": 3}\n[1]\n{"loss": 2}\n{"step": 2, "lo'
    )
    log = Log(path, 2)
    log.add({"step": 3, "again": True})
    log.close()
    assert read(path) == [{"step": 1}, {"step": 2}, {"step": 2, "heldout": 0.1}, {"step": 3, "again": True}]
    assert path.read_text().count("\n") == 4


def test_a_new_run_begins_a_new_log(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n')
    Log(path).close()
    assert read(path) == []
    assert read(tmp_path / "none") == []


def test_a_full_disk_is_refused_once_and_closing_says_nothing_more(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.jsonl")
    with room(100), pytest.raises(Refused, match="cannot write"), closing(log):
        log.add({"step": 1, "long": "x" * 200})
