"""A name holds a whole file or what it held before; nothing else is left in the folder."""

import errno
import os
import resource
from pathlib import Path

import pytest

from unnoise.core.error import Refused
from unnoise.media.atomic import staged, staged_folder, write


def test_writes_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    write(target, b"first")
    write(str(target), b"second")
    assert target.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [target]


def test_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write(tmp_path / "a.bin", b"x")
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_name_as_long_as_the_system_allows(tmp_path: Path) -> None:
    write(tmp_path / ("a" * 255), b"x")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("parent", ["missing", "file", "nul\0"])
def test_no_folder_is_refused_by_name(tmp_path: Path, parent: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match=r"a\.bin"):
        write(tmp_path / parent / "a.bin", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(Refused, match="directory"):
        write(tmp_path / "a.png", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_file_system_that_takes_no_files_is_refused() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no /proc here")
    with pytest.raises(Refused, match=r"/proc/a\.png"):
        write("/proc/a.png", b"x")


def test_a_limit_on_file_size_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    write(target, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(Refused, match=r"a\.bin"):
            write(target, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("step", ["fsync", "replace", "rename"])
def test_a_full_disk_at_any_step_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        if step == "rename":
            patch.setattr(os, "replace", full)
        with pytest.raises(Refused, match=r"No space.*free some space"):
            write(tmp_path / "a.bin", b"x")
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "a.bin", b"x")
    assert list(tmp_path.iterdir()) == []


def test_another_s_writer_is_staged_and_its_failure_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    write(target, b"old")
    with pytest.raises(ZeroDivisionError), staged(target) as beside:
        beside.write_bytes(b"half")
        raise ZeroDivisionError
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]
    with staged(target) as beside:
        beside.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new" and list(tmp_path.iterdir()) == [target]


def test_a_block_that_writes_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"a\.bin"), staged(tmp_path / "a.bin"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "set"
    with staged_folder(target) as beside:
        (beside / "more").mkdir()
        (beside / "more" / "a.bin").write_bytes(b"x")
        assert not target.exists()
    assert (target / "more" / "a.bin").read_bytes() == b"x" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("fault", [ZeroDivisionError, KeyboardInterrupt, GeneratorExit])
def test_a_folder_that_fails_leaves_what_was_there(tmp_path: Path, fault: type[BaseException]) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(fault), staged_folder(tmp_path / "set") as beside:
        (beside / "a.bin").write_bytes(b"half")
        raise fault
    assert list(tmp_path.iterdir()) == [tmp_path / "set"] and not list((tmp_path / "set").iterdir())


def test_a_link_to_an_empty_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    with staged_folder(tmp_path / "link") as folder:
        (folder / "a").write_text("there")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "disk" / "a").read_text() == "there"


def test_what_cannot_be_replaced_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(Refused, match="is the one this runs in"), staged_folder("."):
        raise AssertionError("the work began")
    monkeypatch.chdir(tmp_path)

    def busy(path: Path) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "rmdir", busy)  # as that of a disk that is mounted there
    with pytest.raises(Refused, match="busy"), staged_folder(tmp_path / "empty"):
        raise AssertionError("the work began")
    assert list(tmp_path.iterdir()) == [tmp_path / "empty"]


def test_an_empty_folder_is_taken_and_a_full_one_refused(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with staged_folder(tmp_path / "set") as beside:
        (beside / "a.bin").write_bytes(b"mine")
    with pytest.raises(Refused, match=r"something in .*set already"), staged_folder(tmp_path / "set"):
        pytest.fail("the block must not run")
    with pytest.raises(Refused, match="already"), staged_folder(tmp_path / "late") as beside:
        (tmp_path / "late").write_bytes(b"somebody else's")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["late", "set"]
    assert (tmp_path / "set" / "a.bin").read_bytes() == b"mine"


@pytest.mark.parametrize("step", ["fsync", "replace", "mkdir"])
def test_a_full_disk_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        with pytest.raises(Refused, match=r"set: No space.*free some space"), staged_folder(tmp_path / "set") as beside:
            (beside / "a.bin").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []
