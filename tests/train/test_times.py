"""Training times are drawn from the distributions they are named after, inside the schedule, evenly over a batch."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.schedule import Betas, Cosine, Exploding, Rectified, Schedule
from unnoise.train.times import LogitNormal, LogNormalSigma, Times, UniformTimes

SCHEDULES: list[Schedule] = [Rectified(), Cosine(), Exploding(), Betas("linear", 1e-4, 0.02)]
TIMES: list[Times] = [UniformTimes(), LogitNormal(0.5, 1.2, 3.0), LogNormalSigma()]


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.sampled_from(TIMES), st.sampled_from(SCHEDULES), st.integers(1, 70), st.integers(0, 2**32))
def test_times_are_on_the_schedule_and_a_function_of_the_generator(times, schedule, count, seed) -> None:
    t = times(count, schedule, random(seed))
    assert t.shape == (count,)
    assert t.dtype == torch.float32
    assert float(t.min()) >= schedule.low * (1 - 1e-6)
    assert float(t.max()) <= 1
    assert torch.equal(t, times(count, schedule, random(seed)))


@given(st.integers(1, 200), st.integers(0, 2**32))
def test_uniform_times_take_one_from_each_equal_part(count, seed) -> None:
    t = UniformTimes()(count, Rectified(low=0.0), random(seed)).double()
    assert (t * count).floor().clamp(max=count - 1).sort().values.tolist() == list(range(count))


def test_uniform_times_have_the_moments_of_a_uniform_distribution() -> None:
    t = UniformTimes()(20_000, Rectified(low=0.0), random()).double()
    assert abs(float(t.mean()) - 0.5) < 1e-3
    assert abs(float(t.var()) - 1 / 12) < 1e-3


def test_on_a_table_times_are_whole_rows_each_as_likely() -> None:
    schedule = Betas("linear", 1e-4, 0.02, rows=10)
    rows = UniformTimes()(5000, schedule, random()).double() * 10
    assert torch.allclose(rows, rows.round(), atol=1e-6)
    counts = torch.bincount(rows.round().long(), minlength=11)
    assert counts[0] == 0
    assert counts[1:].tolist() == [500] * 10


@pytest.mark.parametrize(("mean", "deviation", "shift"), [(0.0, 1.0, 1.0), (-0.7, 0.5, 1.0), (0.3, 1.0, 3.0)])
def test_logit_normal_times(mean: float, deviation: float, shift: float) -> None:
    t = LogitNormal(mean, deviation, shift)(20_000, Rectified(low=0.0), random()).double()
    logit = t.logit()
    assert abs(float(logit.mean()) - mean - math.log(shift)) < 0.01  # a shift multiplies the odds
    assert abs(float(logit.std()) - deviation) < 0.01


@pytest.mark.parametrize("schedule", [Exploding(), Cosine()])
def test_log_normal_sigma(schedule: Schedule) -> None:
    t = LogNormalSigma(-0.4, 0.7)(20_000, schedule, random())
    ratio = schedule(t.double()).ratio.log()
    assert abs(float(ratio.mean()) + 0.4) < 0.01
    assert abs(float(ratio.std()) - 0.7) < 0.01


def test_a_batch_of_normal_draws_is_evener_than_chance() -> None:
    means = torch.stack([LogitNormal()(64, Rectified(), random(seed)).logit().mean() for seed in range(50)])
    assert float(means.std()) < 0.3 / 64**0.5
