"""A paused run's file: there and back to the bit, and any damage or malice refused in one line."""

import hashlib
import json
import os
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from media.examples import RECORD
from unnoise.core.error import Refused
from unnoise.core.level import shared
from unnoise.core.state import Paused, State
from unnoise.weights.paused import KEY, encoded, read, write

X = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
MEMORY = {"a.data": X + 1, "a.log_snr": torch.tensor(-torch.inf, dtype=torch.float64), "b.count": torch.tensor([1, 2])}
PAUSED = Paused(State(X, shared(0.5, 1 / 3, 2 / 3), 4, X * 2, MEMORY), replace(RECORD, pixels=""))


def same(one, other):
    tensors = [(one.state.x, other.state.x), (one.state.data, other.state.data)]
    tensors += [(v, other.state.memory[k]) for k, v in one.state.memory.items()]
    levels = [tuple(float(v) for v in (s.level.t, s.level.alpha, s.level.sigma)) for s in (one.state, other.state)]
    assert one.state.memory.keys() == other.state.memory.keys() and levels[0] == levels[1]
    assert all(torch.equal(a, b) and a.dtype == b.dtype and a.shape == b.shape for a, b in tensors)
    assert one.state.step == other.state.step and one.record == other.record


def test_there_and_back(tmp_path):
    path = tmp_path / "s.safetensors"
    digest = write(path, PAUSED)
    found, named = read(path)
    same(PAUSED, found)
    assert digest == named == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [p.name for p in tmp_path.iterdir()] == ["s.safetensors"]


def test_equal_runs_are_equal_bytes():
    shared_twice = replace(PAUSED.state, memory=dict(reversed([*MEMORY.items(), ("a.again", MEMORY["a.data"])])))
    other = replace(shared_twice, memory=dict(reversed(shared_twice.memory.items())))
    assert encoded(Paused(shared_twice, PAUSED.record)) == encoded(Paused(other, PAUSED.record))
    assert encoded(PAUSED) != encoded(Paused(replace(PAUSED.state, step=5), PAUSED.record))


def test_without_a_data_guess(tmp_path):
    bare = Paused(State(X.double(), shared(1.0, 0.0, 1.0)), PAUSED.record)
    write(tmp_path / "s.safetensors", bare)
    found = read(tmp_path / "s.safetensors")[0].state
    assert found.data is None and found.x.dtype == torch.float64 and found.memory == {}


@pytest.mark.parametrize("x", [torch.full((1, 2), torch.nan), torch.zeros(2, 3)])
def test_what_cannot_be_gone_on_with_is_not_saved(tmp_path, x):
    with pytest.raises(Refused):
        write(tmp_path / "s.safetensors", Paused(State(x, shared(0.5, 0.5, 0.5)), PAUSED.record))
    assert list(tmp_path.iterdir()) == []


def parts():
    data = encoded(PAUSED)
    size = int.from_bytes(data[:8], "little")
    return load(data), json.loads(json.loads(data[8 : 8 + size])["__metadata__"][KEY])


def forged(path, tensors=None, honest=True, **changes):
    """A file with other tensors or other claims; an honest one's checksum is right."""
    from unnoise.weights.paused import _sum

    own, said = parts()
    own = {k: v for k, v in (own | (tensors or {})).items() if v is not None}
    said |= {"sum": _sum(own)} if honest else {}
    path.write_bytes(save(own, {KEY: json.dumps(said | changes)}))
    return path


FORGED = {
    "NaN in x": ({"x": X * torch.nan}, {}, "not finite"),
    "infinity in data": ({"data": X / 0}, {}, "not finite"),
    "NaN in memory": ({"memory/a.data": X * torch.nan}, {}, "not finite"),
    "no x": ({"x": None}, {}, "no x"),
    "a stranger": ({"weights": X}, {}, "weights"),
    "two samples": ({"x": torch.zeros(2, 3, 4, 4)}, {}, "no single sample"),
    "no axes": ({"x": torch.zeros(())}, {}, "no single sample"),
    "nothing": ({"x": torch.zeros(1, 0, 4)}, {}, "no single sample"),
    "whole numbers": ({"x": X.long()}, {}, "no single sample"),
    "half precision": ({"x": X.half()}, {}, "no single sample"),
    "data of another shape": ({"data": X[..., :2].contiguous()}, {}, "data"),
    "complex memory": ({"memory/a.data": X.to(torch.complex64)}, {}, "type"),
    "a huge memory": ({"memory/a.data": torch.zeros(200_000)}, {}, "far more"),
    "many tensors": ({f"memory/{k}": torch.zeros(1) for k in range(1100)}, {}, "tensors"),
    "step below 0": ({}, {"step": -1}, "step"),
    "step huge": ({}, {"step": 10**9}, "step"),
    "step true": ({}, {"step": True}, "step"),
    "level infinite": ({}, {"level": [0.5, 0.5, float("inf")]}, "level"),
    "level NaN": ({}, {"level": [0.5, float("nan"), 0.5]}, "level"),
    "level short": ({}, {"level": [0.5, 0.5]}, "level"),
    "level words": ({}, {"level": "abc"}, "level"),
    "newer": ({}, {"format": 2}, "newer"),
    "record of numbers": ({}, {"record": 5}, "step or level"),
    "record damaged": ({}, {"record": "{}"}, "record"),
    "record missing": ({}, {"record": None}, "step or level"),
}


@pytest.mark.parametrize("case", FORGED)
def test_hostile_files_are_refused(tmp_path, case):
    tensors, changes, said = FORGED[case]
    with pytest.raises(Refused, match=said) as refused:
        read(forged(tmp_path / "s.safetensors", tensors, **changes))
    assert len(str(refused.value)) < 600


def test_an_honest_forgery_is_read(tmp_path):
    assert (
        read(forged(tmp_path / "s.safetensors", {"x": X + 1}))[0].state.step == 4
    )  # the cases above fail by themselves


def test_a_changed_tensor_is_found(tmp_path):
    with pytest.raises(Refused, match="not those that were saved"):
        read(forged(tmp_path / "s.safetensors", {"x": X + 1}, honest=False))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000, '{"format": 1}'])
def test_a_description_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "s.safetensors").write_bytes(save(parts()[0], {KEY: text}))
    with pytest.raises(Refused, match="description"):
        read(tmp_path / "s.safetensors")


def test_a_million_keys_are_refused_at_once(tmp_path):
    entry = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    text = ("{" + ",".join(f'"k{i}":{entry}' for i in range(10**6)) + "}").encode()
    (tmp_path / "s.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(Refused, match="header"):
        read(tmp_path / "s.safetensors")


def test_other_files_are_refused(tmp_path, tiny_model):
    with pytest.raises(Refused, match="no paused run"):
        read(tiny_model)
    with pytest.raises(Refused, match="cannot read"):
        read(tmp_path / "nowhere.safetensors")


@settings(max_examples=60)
@given(st.data())
def test_damage_anywhere_is_refused(tmp_path_factory, data):
    whole = encoded(PAUSED)
    path = tmp_path_factory.mktemp("s") / "s.safetensors"
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    changed = bytes([whole[at] ^ data.draw(st.integers(1, 255))])
    path.write_bytes(whole[:at] if cut else whole[:at] + changed + whole[at + 1 :])
    try:
        found, _ = read(path)
    except Refused as refused:
        assert len(str(refused)) < 600
    else:  # a letter of the record's own texts, which its seal tells of, or of the level, which the model tells of
        assert torch.equal(found.state.x, X) and not cut


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices")
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_not_waited_for(tmp_path, make):
    make(tmp_path / "x.safetensors")
    with pytest.raises(Refused, match="a pipe or a device"):
        read(tmp_path / "x.safetensors")
