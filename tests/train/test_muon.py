"""Muon's steps have to be torch's own, and its directions near orthogonal, whatever type the machine computes in."""

import math

import pytest
import torch
from torch import Tensor

from unnoise.nn.native import native
from unnoise.train.muon import Muon, _directly, _through_gram, orthogonal  # pyright: ignore[reportPrivateUsage]

SHAPES = ((8, 24), (24, 8), (8, 24), (16, 16))


def matrices() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(shape).requires_grad_() for shape in SHAPES]


def stepped(optimizer: torch.optim.Optimizer, values: list[Tensor]) -> list[Tensor]:
    """The values after five steps down fixed slopes."""
    random = torch.Generator().manual_seed(1)
    for _ in range(5):
        for value in values:
            value.grad = torch.randn(value.shape, generator=random)
        optimizer.step()
    return [value.detach() for value in values]


def test_its_steps_are_torchs_own() -> None:
    mine, theirs = matrices(), matrices()
    made = stepped(Muon(mine, 0.02, 0.1), mine)
    wanted = stepped(torch.optim.Muon(theirs, 0.02, 0.1, adjust_lr_fn="match_rms_adamw"), theirs)
    for before, one, other in zip(matrices(), made, wanted, strict=True):
        moved = (other - before.detach()).norm()
        assert (one - other).norm() < 0.02 * moved  # torch iterates in bfloat16


@pytest.mark.parametrize("shape", [(3, 10, 30), (3, 30, 10), (1, 20, 20)])
def test_directions_have_singular_values_near_one(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    sizes = torch.linalg.svdvals(orthogonal(torch.randn(shape) * 1e-3).float())
    assert sizes.min() > 0.3
    assert sizes.max() < 1.4


@pytest.mark.parametrize("rank", [1, 5, 20])
@pytest.mark.parametrize("spread", [1.0, 1e-3])
def test_the_way_through_the_gram_matrix_is_the_same(rank: int, spread: float) -> None:
    """Also where singular values are missing or lie far apart, as those of gradients do."""
    random = torch.Generator().manual_seed(0)
    left = torch.linalg.qr(torch.randn(2, 20, rank, generator=random))[0]
    right = torch.linalg.qr(torch.randn(2, 90, rank, generator=random))[0]
    x = (left * torch.logspace(0, math.log10(spread), rank)) @ right.mT
    x /= torch.linalg.matrix_norm(x, keepdim=True)
    torch.testing.assert_close(_through_gram(x), _directly(x), rtol=0, atol=2e-3)
    torch.testing.assert_close(_directly(x), _directly(x.double()).float(), rtol=0, atol=2e-3)


def test_matrices_that_are_stepped_together_do_not_meet() -> None:
    torch.manual_seed(0)
    several = torch.randn(3, 10, 30)
    apart = torch.cat([orthogonal(one[None]) for one in several])
    torch.testing.assert_close(
        orthogonal(several), apart, rtol=0, atol=2e-2 if native("cpu", torch.bfloat16) == torch.bfloat16 else 1e-5
    )


def test_no_gradient_is_no_step() -> None:
    (value,) = matrices()[:1]
    before = value.detach().clone()
    optimizer = Muon([value], 0.02, 0.1)
    optimizer.step()
    torch.testing.assert_close(value.detach(), before, rtol=0, atol=0)


def test_a_slope_of_nothing_goes_nowhere() -> None:
    value = torch.zeros(4, 6, requires_grad=True)
    value.grad = torch.zeros(4, 6)
    Muon([value], 0.02, 0.1).step()
    assert not value.any()
