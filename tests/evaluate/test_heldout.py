"""The held-out loss is one number for one model: fixed noise, fixed times, whatever the batch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.evaluate.heldout import even, heldout


class Watched:
    """Errors that remember what they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Tensor, Tensor, Tensor, list[int]]] = []

    def __call__(self, data: Tensor, t: Tensor, noise: Tensor, tokens: list[int]) -> tuple[Tensor, None]:
        self.asked.append((data, t, noise, tokens))
        return (data + t[:, None, None, None] * noise).square().mean((1, 2, 3)), None

    def all(self) -> tuple[Tensor, Tensor, Tensor, list[int]]:
        data, t, noise, tokens = zip(*self.asked, strict=True)
        return torch.cat(data), torch.cat(t), torch.cat(noise), [k for part in tokens for k in part]


DATA = torch.randn(13, 2, 3, 3, generator=torch.Generator().manual_seed(0))


def tokens(part: slice) -> list[int]:
    return list(range(13))[part]


@given(st.integers(1, 20), st.integers(0, 2**32))
def test_the_batch_makes_no_difference(batch, seed) -> None:
    torch.rand(3)  # nor does the global generator
    one, other = Watched(), Watched()
    found = heldout(one, DATA, tokens, seed=seed, batch=batch)
    assert found == pytest.approx(heldout(other, DATA, tokens, seed=seed), rel=1e-6)
    for mine, theirs in zip(one.all()[:3], other.all()[:3], strict=True):
        assert torch.equal(mine, theirs)
    assert one.all()[3] == list(range(13))


def test_it_is_the_mean_over_all_samples() -> None:
    watched = Watched()
    found = heldout(watched, DATA, tokens, batch=4)
    data, t, noise, _ = watched.all()
    assert torch.equal(data, DATA)
    expected = (data + t[:, None, None, None] * noise).square().mean((1, 2, 3)).mean()
    assert found == pytest.approx(float(expected), rel=1e-6)
    assert float(noise.std()) == pytest.approx(1, abs=0.15)


@given(st.integers(1, 100), st.integers(0, 2**32))
def test_even_times_are_the_middles_of_equal_parts(count, seed) -> None:
    t = even(count, torch.Generator().manual_seed(seed))
    assert t.sort().values.tolist() == pytest.approx([(k + 0.5) / count for k in range(count)])


def test_other_times_may_be_given() -> None:
    watched = Watched()
    heldout(watched, DATA, tokens, lambda count, _: torch.full((count,), 0.25))
    assert set(watched.all()[1].tolist()) == {0.25}


def test_it_carries_no_gradient() -> None:
    weight = torch.ones(1, requires_grad=True)

    def errors(data: Tensor, t: Tensor, noise: Tensor, tokens: list[int]) -> tuple[Tensor, None]:
        found = (data * weight).mean((1, 2, 3))
        assert not found.requires_grad
        return found, None

    heldout(errors, DATA, tokens)


def test_nothing_held_out_is_refused() -> None:
    with pytest.raises(Refused, match="needs a picture"):
        heldout(Watched(), DATA[:0], tokens)
