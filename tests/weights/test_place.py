"""Modules filled from stored tensors."""

import pytest
import torch
from torch import nn

from unnoise.core.error import Refused
from unnoise.weights.place import Place, filled

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


def test_a_module_that_cannot_be_built_is_refused():
    with pytest.raises(Refused, match="cannot be built"):
        filled(lambda: nn.Linear(-3, 2), made(), "net.", CPU)
