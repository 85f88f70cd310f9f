"""Modules filled from stored tensors."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from unnoise.core.error import Refused
from unnoise.nn import native
from unnoise.weights.keymap import KeyMap, Rule
from unnoise.weights.open import open_tensors
from unnoise.weights.place import Place, filled, finite
from weights.watched import Watched

CPU = Place(torch.device("cpu"), torch.float32)


def made(dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    return {
        "net.weight": torch.ones(2, 3, dtype=dtype),
        "net.bias": torch.zeros(2, dtype=dtype),
        "other": torch.ones(1),
    }


def test_a_module_is_filled_cast_and_ready_to_run():
    module = filled(lambda: nn.Linear(3, 2), made(torch.float16), "net.", Place(CPU.device, torch.bfloat16))
    assert {p.dtype for p in module.parameters()} == {torch.bfloat16}
    assert not module.training and not any(p.requires_grad for p in module.parameters())
    assert torch.equal(module.weight, torch.ones(2, 3, dtype=torch.bfloat16))


def test_whole_numbers_stay_whole():
    tensors = {
        "num_batches_tracked": torch.tensor(3),
        **{k: torch.ones(2) for k in ("weight", "bias", "running_mean", "running_var")},
    }
    module = filled(lambda: nn.BatchNorm1d(2), tensors, "", Place(CPU.device, torch.float16))
    assert module.num_batches_tracked.dtype == torch.int64


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("net.bias"), "missing: bias"),
        (lambda t: t.update({"net.scale": torch.ones(1)}), "unknown: scale"),
        (lambda t: t.update({"net.bias": torch.ones(3)}), "of another shape: bias"),
        (lambda t: t.update({f"net.{i}": torch.ones(1) for i in range(9)}), "and 6 more"),
    ],
)
def test_what_does_not_fit_is_listed(change, said):
    tensors = made()
    change(tensors)
    with pytest.raises(Refused, match=said):
        filled(lambda: nn.Linear(3, 2), tensors, "net.", CPU)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_refused(dtype, bad):
    tensors = made(dtype)
    tensors["net.weight"][1, 2] = bad
    with pytest.raises(Refused, match=r"'net\.weight' holds numbers that are not finite"):
        filled(lambda: nn.Linear(3, 2), tensors, "net.", CPU)


def test_the_file_is_named(tmp_path):
    save_file({"w": torch.full((2, 3), torch.nan), "b": torch.zeros(2)}, tmp_path / "x.safetensors")
    found = KeyMap((Rule("w", "weight"), Rule("b", "bias"))).ours(open_tensors(tmp_path / "x.safetensors"))
    with pytest.raises(Refused, match=r"x\.safetensors: tensor 'weight' holds numbers that are not finite"):
        filled(lambda: nn.Linear(3, 2), found, "", CPU)


def test_numbers_too_large_for_the_type_are_refused():
    tensors = made()
    tensors["net.weight"][0, 0] = 7e4
    with pytest.raises(Refused, match=r"too large for torch\.float16: choose bfloat16"):
        filled(lambda: nn.Linear(3, 2), tensors, "net.", Place(CPU.device, torch.float16))
    assert filled(lambda: nn.Linear(3, 2), tensors, "net.", Place(CPU.device, torch.bfloat16)).weight[0, 0] > 6e4


@given(st.integers(1, 200), st.data(), st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]))
def test_one_bad_number_anywhere_is_found(length, data, dtype):
    values = torch.randn(length).to(dtype)
    assert finite(values) and finite(values.int()) and finite(values[:0])
    values[data.draw(st.integers(0, length - 1))] = data.draw(st.sampled_from([torch.nan, torch.inf, -torch.inf]))
    assert not finite(values)
    assert not finite(values.to(torch.float8_e5m2))


def test_one_tensor_at_a_time_is_in_memory():
    tensors = Watched(
        {f"net.{i}.{part}": (8, 8)[: 2 - j] for i in range(5) for j, part in enumerate(("weight", "bias"))}
    )
    filled(lambda: nn.Sequential(*(nn.Linear(8, 8) for _ in range(5))), tensors, "net.", Place(CPU.device, torch.half))
    assert sorted(tensors.asked) == sorted(tensors.shapes) and tensors.most == 1


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells what is mapped")
def test_what_needs_no_change_stays_a_view_of_its_file(tmp_path):
    save_file({"weight": torch.randn(256, 256), "bias": torch.randn(256)}, tmp_path / "x.safetensors")
    module = filled(lambda: nn.Linear(256, 256), open_tensors(tmp_path / "x.safetensors"), "", CPU)
    mapping = [line for line in Path("/proc/self/maps").read_text().splitlines() if "x.safetensors" in line]
    assert len(mapping) == 1  # the bias is small, and read
    before = module.weight.clone()
    module.weight.mul_(2)
    assert torch.equal(open_tensors(tmp_path / "x.safetensors")["weight"], before)


def test_rows_that_do_not_follow_each_other_are_brought_in_order():
    tensors = {"weight": torch.randn(3, 2).T, "bias": torch.zeros(2)}
    module = filled(lambda: nn.Linear(3, 2), tensors, "", CPU)
    assert module.weight.is_contiguous() and torch.equal(module.weight, tensors["weight"])


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.complex64], ids=str)
def test_numbers_of_another_kind_are_refused(dtype):
    with pytest.raises(Refused, match=rf"'net\.bias' holds {dtype}, the network torch\.float32"):
        filled(lambda: nn.Linear(3, 2), {**made(), "net.bias": torch.zeros(2, dtype=dtype)}, "net.", CPU)


def test_a_module_that_cannot_be_built_is_refused():
    with pytest.raises(Refused, match="cannot be built"):
        filled(lambda: nn.Linear(-3, 2), made(), "net.", CPU)


class Mixed(nn.Module):
    """A layer that follows what it is given, and one that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = native.Linear(3, 2), nn.LayerNorm(2)


def mixed(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    return {k: torch.randn(v.shape).to(dtype) for k, v in Mixed().state_dict().items()}


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float32])
def test_what_follows_its_input_may_stay_as_it_is_stored(tmp_path: Path, stored: torch.dtype) -> None:
    save_file(mixed(stored), tmp_path / "m.safetensors")
    tensors = open_tensors(tmp_path / "m.safetensors")
    kept, moved = (filled(Mixed, tensors, "", CPU, kept) for kept in (True, False))
    assert kept.linear.weight.dtype == stored
    assert kept.norm.weight.dtype == torch.float32
    x = torch.randn(4, 3)
    assert torch.equal(kept.norm(kept.linear(x)), moved.norm(moved.linear(x)))


def test_a_kept_weight_that_is_not_finite_is_refused() -> None:
    tensors = mixed(torch.float16)
    tensors["linear.weight"][0, 0] = torch.inf
    with pytest.raises(Refused, match="not finite"):
        filled(Mixed, tensors, "", CPU, kept=True)


def test_only_what_changes_its_type_or_place_takes_memory(tmp_path: Path) -> None:
    values = {"a": torch.ones(10), "b": torch.ones(6).half(), "c": torch.ones(4).bfloat16()}
    save_file(values, tmp_path / "m.safetensors")
    entries = list(open_tensors(tmp_path / "m.safetensors").header.tensors.values())
    assert CPU.moved(entries) == 4 * (6 + 4)
    assert Place(CPU.device, torch.float16).moved(entries) == 2 * (10 + 4)
    assert Place(torch.device("cuda"), torch.float16).moved(entries) == 2 * 20


def test_weights_may_take_half_of_the_memory_there_is() -> None:
    assert Place(CPU.device, torch.float32, memory=1000).room() == 500
    assert CPU.room() > 2**20


def test_weights_that_come_from_a_file_are_not_drawn() -> None:
    """Nor does their building load what torch draws without memory with, a thousand modules."""
    code = """
import sys, torch
from torch import nn
from unnoise.weights.place import Place, filled
def make():
    table = nn.Embedding(4, 2)
    nn.init.xavier_uniform_(table.weight)
    nn.init.trunc_normal_(table.weight)
    return table
made = filled(make, {"weight": torch.ones(4, 2)}, "", Place(torch.device("cpu"), torch.float32))
assert torch.equal(made.weight, torch.ones(4, 2))
assert "sympy" not in sys.modules, "drawn"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
