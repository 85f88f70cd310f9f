"""Weights in several files: read as one, found in folders by any spelling, and refused where an index lies."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from unnoise.core.error import Refused
from unnoise.weights.header import read_header
from unnoise.weights.open import open_tensors
from unnoise.weights.sharded import weights_in
from weights.hostile import refused

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def written(folder: Path, where=None, metadata=None, **more) -> Path:
    folder.mkdir(exist_ok=True)
    save_file({"a": torch.zeros(2), "b": torch.ones(3, 2)}, folder / ONE, {"format": "pt"})
    save_file({"c": torch.full((4,), 2.0)}, folder / TWO, {"by": "us"})
    said = {"metadata": {"total_size": 48} if metadata is None else metadata}
    said |= {"weight_map": {"a": ONE, "b": ONE, "c": TWO} if where is None else where, **more}
    (folder / INDEX).write_text(json.dumps(said))
    return folder / INDEX


def test_shards_are_one_file(tmp_path):
    index = written(tmp_path)
    header, tensors = read_header(index), open_tensors(index)
    assert header.kind == "sharded" and header.parameters == 12 and header.bytes == 48
    assert header.metadata == {"total_size": "48", "format": "pt", "by": "us"}
    assert header.files == (index, tmp_path / ONE, tmp_path / TWO)
    assert {name: float(value.sum()) for name, value in tensors.items()} == {"a": 0, "b": 6, "c": 8}


def test_shards_may_be_links_and_of_any_format(tmp_path):
    """A hub's cache holds links into a store; older models have torch files."""
    index = written(tmp_path)
    (tmp_path / "blobs").mkdir()
    (tmp_path / ONE).rename(tmp_path / "blobs" / "1234")
    (tmp_path / ONE).symlink_to(Path("blobs") / "1234")
    torch.save({"c": torch.zeros(4)}, tmp_path / TWO)
    assert sorted(open_tensors(index)) == ["a", "b", "c"]


LIES = {
    "no weight_map": {"weight_map": None},
    "a list for a weight_map": {"weight_map": []},
    "a number for a file": {"where": {"a": 1}},
    "no file": {"where": {"a": ""}},
    "the folder": {"where": {"a": "."}},
    "up and away": {"where": {"a": "../x.safetensors"}},
    "deeper": {"where": {"a": "x/y.safetensors"}},
    "up, as Windows has it": {"where": {"a": "..\\x.safetensors"}},
    "from the root": {"where": {"a": "/etc/passwd"}},
    "another drive": {"where": {"a": "C:x.safetensors"}},
    "an escape": {"where": {"a": "\x1b[2J"}},
    "a NUL": {"where": {"a": "x\0.safetensors"}},
    "a name without end": {"where": {"a": "x" * 300}},
    "a missing shard": {"where": {"a": ONE, "b": ONE, "c": "model-00003-of-00003.safetensors"}},
    "a tensor that is not there": {"where": {"a": ONE, "b": ONE, "c": TWO, "d": TWO}},
    "a tensor that is not listed": {"where": {"a": ONE, "c": TWO}},
    "a tensor in the other shard": {"where": {"a": ONE, "b": TWO, "c": TWO}},
    "itself": {"where": {"a": INDEX}},
    "metadata a list": {"metadata": [1]},
}


@pytest.mark.parametrize("case", LIES)
def test_an_index_that_lies_is_refused(tmp_path, case):
    index = written(tmp_path / "x", **LIES[case])
    save_file({"a": torch.zeros(2)}, tmp_path / "x.safetensors")
    refused(index, index.read_bytes(), "index.json|model-")


def test_a_tensor_in_two_shards_is_refused(tmp_path):
    index = written(tmp_path)
    save_file({"c": torch.zeros(4), "a": torch.zeros(2)}, tmp_path / TWO)
    refused(index, index.read_bytes(), "also holds 'a'")


def test_an_index_of_indices_is_refused(tmp_path):
    """Even where they name each other in turn."""
    index = written(tmp_path, where={"a": "b.json"})
    (tmp_path / "b.json").write_text(json.dumps({"weight_map": {"a": INDEX}}))
    with pytest.raises(Refused, match=r"b\.json should hold tensors"):
        read_header(index)


def test_a_damaged_shard_is_named(tmp_path):
    index = written(tmp_path)
    (tmp_path / TWO).write_bytes((tmp_path / TWO).read_bytes()[:-1])
    with pytest.raises(Refused, match=TWO):
        read_header(index)


@pytest.mark.parametrize("text", [b"{", b"{}", b'{"weight_map": {"a": "b", "a": "c"}}', b'{"\xff": 1}', b"{" * 10**5])
def test_what_is_no_index_is_refused(tmp_path, text):
    refused(tmp_path / INDEX, text)


FOUND = {
    "diffusion_pytorch_model.safetensors": "",
    "diffusion_pytorch_model.safetensors.index.json": "",
    "model.safetensors": "",
    "model.safetensors.index.json": "",
    "diffusion_pytorch_model.bin": "",
    "pytorch_model.bin": "",
    "pytorch_model.bin.index.json": "",
    "diffusion_pytorch_model.fp16.safetensors": "fp16",
    "diffusion_pytorch_model.safetensors.index.fp16.json": "fp16",
    "diffusion_pytorch_model.safetensors.fp16.index.json": "fp16",
    "model.fp16.safetensors.index.json": "fp16",
    "model.bf16.safetensors": "bf16",
    "pytorch_model.fp16.bin": "fp16",
}


@pytest.mark.parametrize("name", FOUND)
def test_weights_are_found_by_every_spelling(tmp_path, name):
    (tmp_path / "config.json").touch()
    (tmp_path / name).touch()
    assert weights_in(tmp_path, FOUND[name]).name == name
    assert weights_in(tmp_path).name == name  # there is no other


def test_the_plain_and_the_safe_come_first(tmp_path):
    for name in ("model.bin", "model.fp16.safetensors", "model.safetensors"):
        (tmp_path / name).touch()
    assert weights_in(tmp_path).name == "model.safetensors"
    assert weights_in(tmp_path, "fp16").name == "model.fp16.safetensors"


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(Refused, match=r"should hold diffusion_pytorch_model\.safetensors"):
        weights_in(tmp_path)
    with pytest.raises(Refused, match=r"of variant 'fp16'.*diffusion_pytorch_model\.fp16\.safetensors"):
        weights_in(tmp_path, "fp16")
    for name in ("model.fp16.safetensors", "model.non_ema.safetensors"):
        (tmp_path / name).touch()
    with pytest.raises(Refused, match="but one: fp16, non_ema"):
        weights_in(tmp_path)


@pytest.mark.parametrize("variants", [("bf16", "fp16"), ("fp16",), ("bf16",), ("non_ema",)], ids=str)
def test_what_has_no_variant_comes_before_the_halves_and_more_digits_before_fewer(tmp_path, variants):
    for name in variants:
        (tmp_path / f"model.{name}.safetensors").touch()
    assert weights_in(tmp_path).name == f"model.{variants[-1]}.safetensors"
    (tmp_path / "model.safetensors").touch()
    assert weights_in(tmp_path).name == "model.safetensors"
