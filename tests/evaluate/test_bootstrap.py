"""An interval holds the truth about as often as it says, and weights are resamples."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.evaluate.bootstrap import averaged, bootstrap, mean, quantile, resample


def normal(count, seed):
    return torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_interval_of_a_mean_is_the_one_that_is_known() -> None:
    values = normal(400, 0)
    found = bootstrap(lambda w: mean(values, w[0]), (400,), 2000)
    spread = 1.96 * float(values.std()) / 20
    assert found.value == pytest.approx(float(values.mean()), abs=1e-12) and found.count == 400
    assert found.low == pytest.approx(found.value - spread, abs=0.1 * spread)
    assert found.high == pytest.approx(found.value + spread, abs=0.1 * spread)


def test_it_holds_the_truth_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(100):
        values = normal(50, seed)
        found = bootstrap(lambda w, v=values: mean(v, w[0]), (50,), 100, seed)
        held += found.low <= 0 <= found.high
    assert 86 <= held <= 99


def test_the_seed_decides_and_nothing_else() -> None:
    values = normal(20, 1)
    one = bootstrap(lambda w: mean(values, w[0]), (20,), 50, 3)
    torch.rand(5)
    assert bootstrap(lambda w: mean(values, w[0]), (20,), 50, 3) == one
    assert bootstrap(lambda w: mean(values, w[0]), (20,), 50, 4) != one


def test_a_centred_interval_lies_around_its_figure() -> None:
    values = normal(30, 2)
    wide = bootstrap(lambda w: 100 + float(w[0].max()) if w[0].max() > 1 else 0.0, (30,), 100, centred=True)
    assert wide.low <= wide.value <= wide.high and wide.value == 0
    plain = bootstrap(lambda w: mean(values, w[0]), (30,), 100)
    moved = bootstrap(lambda w: mean(values, w[0]), (30,), 100, centred=True)
    assert moved.high - moved.low == pytest.approx(plain.high - plain.low)


def test_pictures_of_one_thing_are_drawn_together() -> None:
    values = normal(40, 3).repeat_interleave(5)  # five pictures of a thing say what one of them does
    things = [str(k // 5) for k in range(200)]
    alone, together = averaged(values, 500), averaged(values, 500, things=things)
    single = averaged(values[::5], 500)
    assert (together.low, together.high) == pytest.approx((single.low, single.high)) and together.count == 200
    assert together.high - together.low == pytest.approx(5**0.5 * (alone.high - alone.low), rel=0.2)


@given(st.integers(1, 60), st.integers(0, 2**32))
def test_a_resample_counts_as_many_draws_as_pictures(size, seed) -> None:
    drawn = resample(size, torch.Generator().manual_seed(seed))
    assert drawn.shape == (size,) and drawn.dtype == torch.float64 and float(drawn.sum()) == size


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12).filter(any), st.sampled_from([0.05, 0.25, 0.5, 0.9, 1.0]))
def test_weighted_figures_are_those_of_repeated_values(weights, part) -> None:
    values = normal(len(weights), 5)
    again = values.repeat_interleave(torch.tensor(weights))
    w = torch.tensor(weights, dtype=torch.float64)
    assert mean(values, w) == pytest.approx(float(again.mean()))
    expected = (
        torch.quantile(again, part, interpolation="lower")
        if part == 1
        else again.sort().values[max(0, -int(-part * len(again) // 1) - 1)]
    )
    assert quantile(values, w, part) == float(expected)


def test_the_mean_of_one_value_a_picture() -> None:
    values = normal(20, 6)
    assert averaged(values, 50, 1) == bootstrap(lambda w: mean(values, w[0]), (20,), 50, 1)


def test_nothing_to_resample_is_refused() -> None:
    with pytest.raises(Refused, match="needs pictures"):
        bootstrap(lambda _: 0.0, (0,))
    with pytest.raises(Refused, match="2 rounds"):
        bootstrap(lambda _: 0.0, (3,), rounds=1)
