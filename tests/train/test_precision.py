"""Half precision is taken where a machine is quick in it, and nowhere else."""

import torch

from unnoise.nn.native import native
from unnoise.train.precision import computing


def dtype_in(kind: torch.dtype | None) -> torch.dtype:
    x = torch.ones(2, 2)
    with computing(x, kind):
        return (x @ x).dtype


def test_none_is_asked_for_and_none_is_taken() -> None:
    assert dtype_in(None) == torch.float32


def test_it_computes_in_what_the_machine_is_quick_in() -> None:
    assert dtype_in(torch.bfloat16) == native("cpu", torch.bfloat16)
