"""Twenty thousand damaged files of every format: each is refused in one line, or all that its header says is so."""

import json

import pytest
import torch
from safetensors.torch import save, save_file

from unnoise.weights.gguf_writer import write_gguf
from weights.hostile import gguf, listed, mutants, overwrite, sound, stream, table, tensor, text
from weights.hostile import part as steps

TENSORS = {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2, dtype=torch.bfloat16)}
METADATA = [text("k") + b"\x08\0\0\0" + text("v"), text("n") + b"\x09\0\0\0\x05\0\0\0\x02" + bytes(15)]


def archived(folder) -> bytes:
    torch.save({"state_dict": TENSORS, "step": 3}, folder / "x")
    return (folder / "x").read_bytes()


def quantised(folder) -> bytes:
    write_gguf(folder / "x", {"q": torch.ones(1, 32), "v": torch.ones(2)}, {"general.architecture": "sd"}, "Q8_0")
    return (folder / "x").read_bytes()


def sharded(folder) -> bytes:
    save_file({"a": TENSORS["a.weight"]}, folder / "one.safetensors")
    save_file({"b": TENSORS["a.bias"]}, folder / "two.safetensors")
    return json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}, "metadata": {}}).encode()


FILES = {
    "safetensors": (lambda _: save(TENSORS, {"by": "us"}), 6000),
    "archive": (archived, 4000),
    "stream": (lambda _: stream(table(tensor(steps()))), 3000),
    "gguf": (lambda _: gguf([listed(), listed("b", (2, 2), 1, 32)], METADATA, bytes(48)), 4000),
    "gguf of blocks": (quantised, 2000),
    "sharded": (sharded, 2000),
}


def test_there_are_twenty_thousand():
    assert sum(count for _, count in FILES.values()) >= 20_000


@pytest.mark.parametrize("form", FILES)
def test_mutants_are_read_or_refused(tmp_path, form):
    make, count = FILES[form]
    data, path = make(tmp_path), tmp_path / "mutant"
    path.write_bytes(data)
    assert sound(path)
    read = 0
    for mutant in mutants(data, count):
        overwrite(path, mutant)
        read += sound(path)
    assert 0 < read < count  # both happen, or the damage is of no kind
