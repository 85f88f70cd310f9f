"""Tensors by name, one when it is asked for: of every type, mapped, apart from the file and from each other."""

import gc
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file

from unnoise.core.error import Refused
from unnoise.weights.mapped import SMALL, mapped
from unnoise.weights.open import DTYPES, open_tensors, read_entry
from weights.hostile import entry, refused, safetensors

SIZES = [1, SMALL // 4 - 1, SMALL // 4, SMALL // 4 + 1, 100_003]


@pytest.mark.parametrize("dtype", [d for d in DTYPES.values() if d != torch.float8_e8m0fnu], ids=str)
def test_every_type_is_what_was_saved(tmp_path, dtype):
    value = (torch.arange(8) % 2).to(dtype)
    save_file(
        {"a": value, "b": value.reshape(2, 4).clone(), "c": value[0].clone(), "d": value[:0].clone()}, tmp_path / "x"
    )
    found = open_tensors(tmp_path / "x")
    for name, want in {"a": value, "b": value.reshape(2, 4), "c": value[0], "d": value[:0]}.items():
        got = found[name]
        assert got.dtype == dtype and got.shape == want.shape
        assert torch.equal(got.view(-1).view(torch.uint8), want.contiguous().view(-1).view(torch.uint8))


@pytest.mark.parametrize("size", SIZES)
def test_large_and_small_and_those_between_pages(tmp_path, size):
    tensors = {f"t{i}": torch.randn(size) for i in range(4)}
    save_file(tensors, tmp_path / "x")
    found = open_tensors(tmp_path / "x")
    assert all(torch.equal(found[name], value) for name, value in tensors.items())


def test_numbers_that_lie_askew_are_read_all_the_same(tmp_path):
    """Nothing in the format makes a tensor begin where its numbers may."""
    value = torch.arange(40_000.0)
    first, last = entry("U8", (1,), (0, 1)), entry("F32", (40_000,), (1, 160_001))
    (tmp_path / "x").write_bytes(safetensors({"a": first, "b": last}, b"x" + value.numpy().tobytes()))
    assert torch.equal(open_tensors(tmp_path / "x")["b"], value)


def test_what_is_written_into_a_tensor_stays_there(tmp_path):
    """Neither the file nor what is read next changes."""
    save_file({"a": torch.zeros(50_000), "b": torch.zeros(50_000)}, tmp_path / "x")
    before, found = (tmp_path / "x").read_bytes(), open_tensors(tmp_path / "x")
    mine, other = found["a"], found["a"]
    mine.add_(1)
    assert not other.any() and not found["a"].any() and not found["b"].any() and mine.all()
    assert (tmp_path / "x").read_bytes() == before


def test_tensors_outlive_what_they_came_from(tmp_path):
    save_file({"a": torch.ones(50_000)}, tmp_path / "x")
    found = open_tensors(tmp_path / "x")
    part = found["a"][10:20]
    del found
    gc.collect()
    (tmp_path / "x").unlink()
    assert part.sum() == 10


def opened() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells what is open")
def test_many_tensors_keep_one_file_open_and_none_when_gone(tmp_path):
    save_file({str(i): torch.full((20_000,), float(i)) for i in range(300)}, tmp_path / "x")
    there = opened()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (there + 20, limits[1]))
    try:
        found = open_tensors(tmp_path / "x")
        tensors = dict(found)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert all(float(tensors[str(i)][0]) == i for i in range(300))
    assert opened() == there + 1
    del found, tensors
    gc.collect()
    assert opened() == there
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the kinds of memory apart")
def test_weights_take_no_memory_of_their_own(tmp_path):
    """160 MB read through to the last number, in a process whose own memory grows by less than a tenth of that."""
    save_file({str(i): torch.zeros(4_000_000) for i in range(10)}, tmp_path / "x")
    code = f"""
from pathlib import Path
import torch
from unnoise.weights.open import open_tensors
def own():
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0])
torch.zeros(10).sum()
before = own()
found = dict(open_tensors(Path({str(tmp_path / "x")!r})))
assert not any(float(value.sum()) for value in found.values())
print((own() - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 16


def test_a_file_that_became_shorter_ends_no_process(tmp_path):
    save_file({"a": torch.ones(50_000)}, tmp_path / "x")
    found = open_tensors(tmp_path / "x")
    os.truncate(tmp_path / "x", 1000)
    with pytest.raises(Refused, match="has been changed meanwhile"):
        found["a"]
    with pytest.raises(Refused, match="has been changed meanwhile"):
        read_entry(found.header.tensors["a"])


def test_a_replaced_file_is_the_one_that_was_opened(tmp_path):
    """A new model takes the old one's name; what was opened stays whole."""
    save_file({"a": torch.ones(50_000)}, tmp_path / "x")
    found = open_tensors(tmp_path / "x")
    save_file({"a": torch.zeros(50_000)}, tmp_path / "y")
    (tmp_path / "y").replace(tmp_path / "x")
    assert found["a"].all() and not open_tensors(tmp_path / "x")["a"].any()


def test_an_entry_is_read_by_itself(tmp_path):
    save_file({"a": torch.arange(5), "b": torch.ones(2)}, tmp_path / "x")
    assert read_entry(open_tensors(tmp_path / "x").header.tensors["a"]).tolist() == [0, 1, 2, 3, 4]


def test_a_type_that_torch_has_not_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(safetensors({"a": entry("F4", (8,), (0, 4))}, b"1234"))
    with pytest.raises(Refused, match=r"'a' is of type F4: torch has no such type"):
        open_tensors(tmp_path / "x")


def test_where_files_cannot_be_mapped_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("unnoise.weights.mapped._CALLS", None)
    monkeypatch.delattr(os, "preadv", raising=False)
    save_file({"a": torch.arange(100_000.0)}, tmp_path / "x")
    assert torch.equal(open_tensors(tmp_path / "x")["a"], torch.arange(100_000.0))


def test_a_file_that_cannot_be_mapped_is_an_error(tmp_path):
    (tmp_path / "x").write_bytes(bytes(2 * SMALL))
    descriptor = os.open(tmp_path / "x", os.O_WRONLY)
    with pytest.raises(OSError):
        mapped(descriptor, (0, 2 * SMALL))
    os.close(descriptor)


STRANGERS = {
    "a web page": (b"<!DOCTYPE html><html><body>404</body></html>", "a web page: download the file again"),
    "another web page": (b"<html>" + b" " * 600, "a web page"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "whole"),
    "text": (b"hello, this is no model at all", "whole"),
    "zeros": (bytes(1000), "whole"),
    "a plain pickle": (b"\x80\x04\x95\x0b" + bytes(7) + b"}\x94\x8c\x01a\x94K\x01s.", "whole"),
    "a tar": (b"x.pth" + bytes(252) + b"ustar" + bytes(300), "whole"),
    "safetensors with bytes behind": (save({"a": torch.ones(1)}) + b"x", "1 bytes follow"),
}


@pytest.mark.parametrize("case", STRANGERS)
def test_what_is_something_else_is_refused(tmp_path, case):
    refused(tmp_path / "x.safetensors", *STRANGERS[case])
