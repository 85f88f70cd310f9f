"""Clocks: the time that networks were trained to read."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.clock import CLOCKS, LogSigma, Rows, Scaled
from unnoise.core.level import Level, shared
from unnoise.core.schedule import Betas
from unnoise.core.trajectory import level_at


@given(st.integers(0, 999))
def test_row_k_reads_k(row):
    level = level_at(Betas(), (row + 1) / 1000)
    assert float(Rows()(level)) == pytest.approx(row, abs=1e-9)
    assert float(Rows(rounded=True)(level)) == row


@given(st.floats(0, 1))
def test_rows_are_fractional_unless_rounded_and_stay_in_the_table(t):
    level = shared(t, 1, 0)
    exact, rounded = float(Rows(50)(level)), float(Rows(50, rounded=True)(level))
    assert exact == pytest.approx(max(t * 50 - 1, 0))
    assert rounded == round(rounded) and abs(rounded - exact) <= 0.5 and 0 <= rounded <= 49


def test_scaled_is_t_times_a_constant():
    assert float(Scaled()(shared(0.25, 0.75, 0.25))) == 250
    assert float(Scaled(1)(shared(0.25, 0.75, 0.25))) == 0.25


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_log_sigma_reads_the_ratio(alpha, sigma):
    assert float(LogSigma(0.25)(shared(0.5, alpha, sigma))) == pytest.approx(math.log(sigma / alpha) / 4, abs=1e-12)


@pytest.mark.parametrize("name", CLOCKS)
def test_one_level_a_sample_gives_one_time_a_sample(name):
    t = torch.tensor([[0.25], [0.5]])
    time = CLOCKS[name]()(Level(t, 1 - t, t))
    assert time.shape == (2, 1) and time.dtype == torch.float32
    for i, value in enumerate((0.25, 0.5)):
        assert float(time[i]) == pytest.approx(
            float(CLOCKS[name]()(shared(value, 1 - value, value))), rel=1e-5, abs=1e-4
        )
