"""Noise schedules: monotone, exact at their ends, invertible, and the tables that were published."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oracles import SCHEDULES
from unnoise.core.error import Refused
from unnoise.core.schedule import SCHEDULES as NAMED
from unnoise.core.schedule import Betas, Cosine, Exploding, Rectified
from unnoise.core.trajectory import level_at, level_of

schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
tables = [s for s in SCHEDULES.values() if isinstance(s, Betas)]


@schedules
def test_time_0_is_clean_exactly(schedule):
    level = level_at(schedule, 0.0)
    assert float(level.alpha) == 1 and float(level.sigma) == 0


@pytest.mark.parametrize("name", ["rectified", "cosine", "zero_terminal_snr"])
def test_time_1_holds_no_data_where_the_path_says_so(name):
    level = level_at(SCHEDULES[name], 1.0)
    assert float(level.alpha) == 0 and float(level.sigma) == 1


@schedules
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_rises_with_time(schedule, dtype):
    level = schedule(torch.linspace(0, 1, 4001, dtype=dtype))
    assert level.alpha.dtype == level.sigma.dtype == dtype
    assert (level.ratio.diff() > 0).all() and not level.ratio.isnan().any()
    assert (level.alpha >= 0).all() and (level.sigma >= 0).all()


@given(st.sampled_from(list(SCHEDULES.values())), st.floats(1e-6, 1))
def test_time_inverts_the_schedule(schedule, t):
    level = level_at(schedule, t)
    ratio = float(level.ratio)
    back = level_of(schedule, ratio)
    assert float(back.t) == pytest.approx(t, abs=1e-7)
    if ratio < 1e6:  # beyond, 1 - t has lost its digits
        assert float(back.ratio) == pytest.approx(ratio, rel=1e-7)


@schedules
def test_time_inverts_the_ends(schedule):
    top = level_at(schedule, 1.0)
    assert float(schedule.time(torch.tensor(0.0, dtype=torch.float64))) == 0
    assert float(schedule.time(top.ratio)) == pytest.approx(1, abs=1e-12)
    assert float(schedule.time(torch.tensor(math.inf, dtype=torch.float64))) == pytest.approx(1, abs=1e-12)


@given(st.sampled_from([Cosine(), *tables]), st.floats(0, 1))
def test_variance_preserving_paths_preserve_variance(schedule, t):
    level = level_at(schedule, t)
    assert float(level.alpha**2 + level.sigma**2) == pytest.approx(1, abs=1e-12)


@given(st.floats(0, 1))
def test_a_rectified_path_is_straight_and_an_exploding_one_keeps_the_data(t):
    straight, exploding = level_at(Rectified(), t), level_at(Exploding(), t)
    assert (float(straight.alpha), float(straight.sigma)) == (1 - t, t)
    assert (float(exploding.alpha), float(exploding.sigma)) == (1, 80 * t)


def test_the_range_of_an_exploding_path_is_its_sigmas():
    schedule = Exploding(0.01, 50)
    assert float(level_at(schedule, schedule.low).sigma) == pytest.approx(0.01)
    assert float(level_at(schedule, 1.0).sigma) == 50


@pytest.mark.parametrize("schedule", tables)
def test_row_k_stands_at_k_plus_1_of_n(schedule):
    """The product of 1 - beta, written out; the last row of a zero-terminal-SNR table apart."""
    kept, expected = 1.0, []
    for beta in schedule.betas().tolist():
        kept *= 1 - beta
        expected.append(math.sqrt(kept))
    if schedule.zero_terminal_snr:
        first, last = expected[0], expected[-1]
        expected = [(a - last) * first / (first - last) for a in expected]
    rows = torch.arange(1, schedule.rows + 1, dtype=torch.float64) / schedule.rows
    torch.testing.assert_close(schedule(rows).alpha, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12)


def test_the_tables_are_the_published_ones():
    """Stable Diffusion's sigmas run from 0.0292 to 14.6146; DDPM's last row keeps 4.04e-5 of the variance."""
    stable, ddpm, cosine = Betas(), SCHEDULES["linear"], SCHEDULES["squared_cosine"]
    assert float(level_at(stable, 1.0).ratio) == pytest.approx(14.6146, abs=5e-5)
    assert float(level_at(stable, stable.low).ratio) == pytest.approx(0.0292, abs=5e-5)
    assert float(level_at(ddpm, 1.0).alpha ** 2) == pytest.approx(4.036e-5, abs=1e-8)
    assert float(cosine.betas()[-1]) == 0.999 and float(cosine.betas()[0]) == pytest.approx(4.128e-5, abs=1e-8)


def test_zero_terminal_snr_keeps_the_first_row():
    plain, shifted = Betas(), Betas(zero_terminal_snr=True)
    first = level_at(plain, plain.low)
    assert float(level_at(shifted, shifted.low).alpha) == pytest.approx(float(first.alpha), abs=1e-15)


@given(st.integers(0, 998), st.floats(0, 1))
def test_between_rows_sigma_or_its_logarithm_is_interpolated(row, part):
    t = (row + part + 1) / 1000
    first, second = (float(Betas().ratios[row + i]) for i in (0, 1))
    found = float(level_at(Betas(between="sigma"), t).ratio)
    assert found == pytest.approx(first + part * (second - first), rel=1e-9)
    found = float(level_at(Betas(), t).ratio)
    assert found == pytest.approx(first ** (1 - part) * second**part, rel=1e-9)


@pytest.mark.parametrize("between", ["sigma", "log_sigma"])
def test_below_row_0_sigma_falls_straight_and_above_the_last_finite_one_its_inverse_does(between):
    schedule = Betas(zero_terminal_snr=True, between=between)
    assert float(level_at(schedule, 0.0005).ratio) == pytest.approx(float(schedule.ratios[0]) / 2)
    assert float(level_at(schedule, 0.9995).ratio) == pytest.approx(float(schedule.ratios[-2]) * 2)


def test_equal_tables_are_equal():
    assert Betas() == Betas() and hash(Betas()) == hash(Betas()) and Betas() != Betas(rows=500)
    assert set(NAMED) == {"rectified", "cosine", "exploding", "betas"}


@pytest.mark.parametrize("options", [{"rows": 1}, {"start": 0.0}, {"end": 1.0}, {"start": math.nan}])
def test_a_table_that_is_none_is_refused(options):
    with pytest.raises(Refused, match="betas between 0 and 1"):
        Betas(**options)


def test_a_straight_path_s_least_ratio_for_spacings_that_need_one():
    assert Rectified().low == 1e-3 and Rectified().rows == 0
