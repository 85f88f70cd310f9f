"""Levels: x = alpha data + sigma noise, and back."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.level import Level, half_log_snr, quieter, scalar, shared

weights = st.floats(1e-3, 1e3)


@given(weights, weights)
def test_noise_in_undoes_mix(alpha, sigma):
    level = shared(0.5, alpha, sigma)
    data, noise = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = level.mix(data, noise)
    torch.testing.assert_close(level.noise_in(x, data), noise, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(x, alpha * data + sigma * noise)


@given(weights, weights)
def test_log_snr_ratio_and_lambda_say_the_same(alpha, sigma):
    level = shared(0.5, alpha, sigma)
    assert float(level.log_snr) == pytest.approx(math.log(alpha**2 / sigma**2), abs=1e-12)
    assert half_log_snr(level) == pytest.approx(float(level.log_snr) / 2, abs=1e-12)
    assert float(level.ratio) == pytest.approx(sigma / alpha)


def test_the_ends_are_infinite_and_never_nan():
    clean, noise = shared(0, 1, 0), shared(1, 0, 1)
    assert float(clean.log_snr) == half_log_snr(clean) == math.inf
    assert float(noise.log_snr) == half_log_snr(noise) == -math.inf
    assert float(clean.ratio) == 0 and float(noise.ratio) == math.inf
    assert clean.clean and not noise.clean


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_shared_level_changes_no_dtype(dtype):
    level, x = shared(0.5, 0.6, 0.8), torch.ones(2, 3, dtype=dtype)
    assert level.mix(x, x).dtype == level.noise_in(x, x).dtype == dtype
    assert level.alpha.dtype == scalar(1).dtype == torch.float64 and level.alpha.ndim == 0


def test_one_level_a_sample_mixes_each_with_its_own():
    alpha = torch.tensor([1.0, 0.5, 0.0]).reshape(3, 1, 1)
    level = Level(1 - alpha, alpha, 1 - alpha)
    x = level.mix(torch.ones(3, 2, 2), torch.full((3, 2, 2), 3.0))
    assert x.dtype == torch.float32
    assert x[:, 0, 0].tolist() == [1.0, 2.0, 3.0]


def test_quieter_is_strict_and_deaf_to_rounding():
    low, high = shared(0.2, 0.8, 0.2), shared(0.3, 0.7, 0.3)
    assert quieter(low, high) and not quieter(high, low) and not quieter(low, low)
    assert not quieter(shared(0.2, 0.8, 0.2 * (1 - 1e-15)), low)
    clean, noise = shared(0, 1, 0), shared(1, 0, 1)
    assert quieter(clean, low) and quieter(low, noise) and quieter(clean, noise)
    assert not quieter(clean, clean) and not quieter(noise, noise)
