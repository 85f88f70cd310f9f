"""Safetensors written one tensor after the other: read by the format's own library, whole or not at all."""

import gc
import weakref
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load, load_file, save

from unnoise.core.error import Refused
from unnoise.weights.lazy import Lazy, Made
from unnoise.weights.open import open_tensors
from unnoise.weights.safetensors_writer import write_safetensors

TYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.int64, torch.uint8)
TYPES += (torch.bool,)


def lazy(tensors):
    return Lazy(tensors, {k: v.to("meta") for k, v in tensors.items()})


def drawn(shape, dtype, seed):
    numbers = torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(seed))
    return numbers.to(dtype)


tables = st.dictionaries(
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=8).filter(
        lambda name: name != "__metadata__"
    ),
    st.builds(drawn, st.lists(st.integers(0, 3), max_size=4).map(tuple), st.sampled_from(TYPES), st.integers(0, 10**6)),
    max_size=6,
)


@given(tables, st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=2))
def test_what_is_written_is_read_back(tmp_path_factory, tensors, metadata):
    path = tmp_path_factory.mktemp("written") / "x.safetensors"
    write_safetensors(path, lazy(tensors), metadata)
    found, mine = load_file(path), open_tensors(path)
    assert found.keys() == mine.keys() == tensors.keys()
    for name, value in tensors.items():
        for other in (found[name], mine[name]):
            assert (other.dtype, other.shape) == (value.dtype, value.shape)
            assert torch.equal(other.float(), value.float())
        assert mine.header.tensors[name].span[0] % value.element_size() == 0  # so that it may be mapped
    with safe_open(path, "pt") as file:
        assert (file.metadata() or {}) == metadata


def test_tensors_of_one_type_are_laid_as_the_library_lays_them(tmp_path):
    tensors = {name: torch.randn(n, 3) for n, name in enumerate(("b", "a.weight", "c", "ä"), 1)}
    write_safetensors(tmp_path / "x.safetensors", lazy(tensors), {"format": "pt"})
    data = (tmp_path / "x.safetensors").read_bytes()
    theirs = save(tensors, {"format": "pt"})
    assert load(data).keys() == load(theirs).keys()
    assert data[8 + int.from_bytes(data[:8], "little") :] == theirs[8 + int.from_bytes(theirs[:8], "little") :]


def test_strides_are_straightened(tmp_path):
    value = torch.arange(6.0).view(2, 3).T
    write_safetensors(tmp_path / "x.safetensors", lazy({"x": value}), {})
    assert torch.equal(load_file(tmp_path / "x.safetensors")["x"], value)


def test_one_tensor_is_in_memory_at_a_time(tmp_path):
    alive: list[weakref.ref] = []

    def make():
        gc.collect()
        assert not any(ref() is not None for ref in alive), "the one before is still there"
        value = torch.ones(1000)
        alive.append(weakref.ref(value))
        return value

    names = [f"t{i}" for i in range(5)]
    like = {name: torch.ones(1000, device="meta") for name in names}
    write_safetensors(tmp_path / "x.safetensors", Lazy(Made(dict.fromkeys(names, make)), like), {})
    assert len(alive) == 5


@pytest.mark.parametrize(
    ("value", "said"),
    [(torch.tensor([1.0, torch.inf]), "not finite"), (torch.zeros(1, dtype=torch.complex128), "no type for tensor")],
    ids=["infinite", "complex"],
)
def test_what_cannot_be_stored_is_refused_and_leaves_nothing(tmp_path, value, said):
    with pytest.raises(Refused, match=said):
        write_safetensors(tmp_path / "x.safetensors", lazy({"a": torch.ones(9), "z": value}), {})
    assert list(tmp_path.iterdir()) == []


def test_a_fault_half_way_leaves_what_was_there(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"before")

    def fail():
        raise KeyboardInterrupt

    makers = {"a": partial(torch.ones, 3), "b": fail}
    with pytest.raises(KeyboardInterrupt):
        write_safetensors(path, Lazy(Made(makers), dict.fromkeys(makers, torch.ones(3, device="meta"))), {})
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]
