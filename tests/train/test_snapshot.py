"""A snapshot is there entirely or not at all, and the newest ones are kept."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from unnoise.core.error import Refused
from unnoise.train.snapshot import every, save, sweep

STATE = {"weights.a": torch.arange(6.0).view(2, 3), "optimizer.step": torch.tensor(3.0)}


@contextmanager
def room(size: int) -> Iterator[None]:
    """As if the disk were full for files beyond this size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    made = save(tmp_path, 7, STATE, {"rate": "0.1"})
    (found,) = every(tmp_path)
    assert found == made
    assert (found.step, found.facts) == (7, {"rate": "0.1"})
    tensors = found.tensors()
    assert tensors.keys() == STATE.keys()
    assert all(torch.equal(tensors[k], STATE[k]) for k in STATE)


def test_the_newest_are_kept_by_step_and_not_by_name(tmp_path: Path) -> None:
    for step in (5, 99_999_999, 100_000_000, 123_456_789):
        save(tmp_path, step, STATE, {}, keep=3)
    assert [found.step for found in every(tmp_path)] == [99_999_999, 100_000_000, 123_456_789]
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_the_same_step_again_takes_the_place(tmp_path: Path) -> None:
    save(tmp_path, 1, STATE, {"a": "1"})
    save(tmp_path, 1, STATE, {"a": "2"})
    assert [found.facts for found in every(tmp_path)] == [{"a": "2"}]


def test_folders_that_are_no_snapshots_are_passed_over(tmp_path: Path) -> None:
    save(tmp_path, 1, STATE, {})
    for name, text in (("step-00000002", None), ("step-00000003", "{"), ("step-00000004", json.dumps({"step": 4}))):
        (tmp_path / name).mkdir()
        if text is not None:
            (tmp_path / name / "manifest.json").write_text(text)
    (tmp_path / "step-00000005").write_text("a file")
    assert [found.step for found in every(tmp_path)] == [1]
    assert every(tmp_path / "nowhere") == []


def test_a_full_disk_is_refused_and_leaves_what_was_there(tmp_path: Path) -> None:
    save(tmp_path, 1, STATE, {})
    large = {"a": torch.zeros(100_000)}
    with room(50_000), pytest.raises(Refused, match="cannot write"):
        save(tmp_path, 2, large, {})
    with room(0), pytest.raises(Refused, match="cannot write"):
        save(tmp_path, 2, STATE, {})
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001"]
    assert every(tmp_path)[0].tensors().keys() == STATE.keys()


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot write the snapshot"):
        save(tmp_path / "file", 1, STATE, {})


def test_damage_is_named(tmp_path: Path) -> None:
    made = save(tmp_path, 1, STATE, {})
    file = made.path / "state.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(Refused, match=r"state\.safetensors"):
        made.tensors()


def test_sweeping_takes_what_is_in_the_making_and_nothing_else(tmp_path: Path) -> None:
    save(tmp_path, 1, STATE, {})
    (tmp_path / ".step-00000002.tmp").mkdir()
    (tmp_path / ".step-00000002.tmp" / "state.safetensors").write_text("half")
    (tmp_path / ".model.safetensors.17.tmp").write_text("half")
    (tmp_path / "notes.tmp").write_text("mine")
    (tmp_path / ".hidden").write_text("mine")
    sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".hidden", "notes.tmp", "step-00000001"]
