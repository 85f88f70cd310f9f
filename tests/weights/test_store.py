"""Tensors on disk: what comes back, what is refused, and that nothing is half written."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from unnoise.core.error import Refused
from unnoise.weights.store import read_tensors, write_tensors

DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.uint8, torch.bool]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float8_e4m3fn], ids=str)
def test_what_is_written_is_read(tmp_path, dtype):
    tensors = {"a": torch.tensor([[0, 1], [1, 0]]).to(dtype), "scalar": torch.tensor(1).to(dtype)}
    write_tensors(tmp_path / "deep" / "x.safetensors", tensors, {"k": "v"})
    found = read_tensors(tmp_path / "deep" / "x.safetensors")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == dtype and torch.equal(found[name].float(), tensor.float())
    assert names(tmp_path / "deep") == ["x.safetensors"]


def test_views_and_gradients_are_written_as_values(tmp_path):
    tensor = torch.arange(6.0, requires_grad=True).reshape(2, 3).T
    write_tensors(tmp_path / "x.safetensors", {"a": tensor}, {})
    assert torch.equal(read_tensors(tmp_path / "x.safetensors")["a"], tensor.detach())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e5m2], ids=str)
def test_numbers_that_are_not_finite_are_refused(tmp_path, value, dtype):
    save_file({"fine": torch.zeros(2), "bad": torch.tensor([0, value]).to(dtype)}, tmp_path / "x.safetensors")
    with pytest.raises(Refused, match="'bad' holds numbers that are not finite"):
        read_tensors(tmp_path / "x.safetensors")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.zeros(2)}, {})
    before = path.read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(os, name, interrupt)
            write_tensors(path, {"a": torch.ones(2)}, {})
        assert path.read_bytes() == before and names(tmp_path) == ["x.safetensors"]


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.safetensors").mkdir()
    for path in (tmp_path / "file" / "x.safetensors", tmp_path / "folder.safetensors", tmp_path / ("y" * 300)):
        with pytest.raises(Refused, match="cannot write"):
            write_tensors(path, {"a": torch.zeros(2)}, {})
    assert names(tmp_path) == ["file", "folder.safetensors"]


def test_a_full_disk_is_refused_and_leaves_nothing(tmp_path):
    code = f"""
import resource, torch
from pathlib import Path
from unnoise.core.error import Refused
from unnoise.weights.store import write_tensors
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_tensors(Path({str(tmp_path / "x.safetensors")!r}), {{"a": torch.zeros(10_000)}}, {{}})
except Refused as refused:
    print("refused", refused)
"""
    source = str(Path(import_module("unnoise").__path__[0]).parent)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": source}
    )
    assert done.stdout.startswith("refused cannot write"), done.stderr
    assert names(tmp_path) == []
