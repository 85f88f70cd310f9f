"""The Fréchet distance is that of normal distributions, whichever way its root is taken."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from unnoise.core.error import Refused
from unnoise.evaluate.frechet import distance, frechet, moments


def drawn(count, size, seed=0, scale=1.0, shift=0.0):
    random = torch.Generator().manual_seed(seed)
    mixed = torch.randn(size, size, generator=random, dtype=torch.float64)
    return shift + scale * torch.randn(count, size, generator=random, dtype=torch.float64) @ mixed


def covariance(found):
    return found.factor.T @ found.factor


def between(a, b):
    return distance(moments(a), moments(b))


@pytest.mark.parametrize(("count", "other"), [(40, 30), (200, 150), (7, 100), (100, 7)])
def test_it_is_the_published_formula(count, other) -> None:
    a, b = drawn(count, 20, 0), drawn(other, 20, 1, 0.7, 0.3)
    (m1, s1), (m2, s2) = ((x.mean(0).numpy(), np.cov(x.numpy().T)) for x in (a, b))
    root = np.trace(sqrtm((s1 + 1e-12 * np.eye(20)) @ s2).real)
    expected = np.square(m1 - m2).sum() + np.trace(s1) + np.trace(s2) - 2 * root
    assert between(a, b) == pytest.approx(expected, rel=1e-4)


def test_of_one_dimension_it_is_known() -> None:
    a = torch.tensor([[-1.0], [1.0]])  # mean 0, standard deviation sqrt(2)
    b = torch.tensor([[1.0], [5.0]])  # mean 3, standard deviation sqrt(8)
    assert between(a, b) == pytest.approx(9 + (8**0.5 - 2**0.5) ** 2)


@given(st.integers(2, 30), st.integers(2, 30), st.integers(1, 12))
def test_it_is_symmetric_and_zero_of_itself(n, m, size) -> None:
    a, b = drawn(n, size, 2), drawn(m, size, 3, 2.0)
    assert between(a, b) == pytest.approx(between(b, a), rel=1e-6, abs=1e-9)
    assert between(a, a) == pytest.approx(0, abs=1e-6 * float(moments(a).factor.square().sum()))
    assert between(a, b) >= -1e-9


def test_weights_are_repeated_pictures() -> None:
    a, weights = drawn(6, 3), torch.tensor([2.0, 0, 1, 1, 2, 0], dtype=torch.float64)
    again = a.repeat_interleave(weights.long(), 0)
    ours, theirs = moments(a, weights), moments(again)
    assert torch.allclose(ours.mean, theirs.mean) and torch.allclose(covariance(ours), covariance(theirs))
    assert torch.allclose(covariance(theirs), again.T.cov())


def test_the_interval_lies_around_it_and_shrinks_with_more_pictures() -> None:
    few, many = (frechet(drawn(n, 4, 4), drawn(n, 4, 4, shift=1.0), 100) for n in (30, 300))
    for found in (few, many):
        assert found.low < found.value < found.high
    assert many.high - many.low < 0.6 * (few.high - few.low)
    assert many.value == pytest.approx(4.0, rel=0.3)


def test_float32_features_lose_nothing() -> None:
    a = drawn(50, 5, 6, 1e-3, 100.0).float()
    b = drawn(50, 5, 7, 1e-3, 100.0).float()
    assert between(a, b) == pytest.approx(between(a.double(), b.double()), rel=1e-12)


def test_one_picture_is_refused() -> None:
    with pytest.raises(Refused, match="at least 2 pictures"):
        frechet(drawn(1, 3), drawn(5, 3))
