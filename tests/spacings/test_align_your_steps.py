"""Align Your Steps: the published tables at ten steps, log-linear between their levels at any other number."""

import math

import numpy as np
import pytest

from oracles import SCHEDULES
from unnoise.core.error import Refused
from unnoise.core.schedule import Betas, Exploding
from unnoise.spacings.align_your_steps import PUBLISHED, AlignYourSteps

WIDE = Exploding(0.0001, 2000.0)


def sigmas(model, steps, extra=1, schedule=WIDE):
    return [float(v.ratio) for v in AlignYourSteps(model, extra)(schedule, steps).levels]


@pytest.mark.parametrize("model", PUBLISHED)
def test_ten_steps_are_the_published_ones_and_end_clean(model):
    assert sigmas(model, 10) == pytest.approx([*PUBLISHED[model][:-1], 0])
    assert sigmas(model, 11, 0) == pytest.approx([*PUBLISHED[model], 0])


@pytest.mark.parametrize("model", PUBLISHED)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 20, 25, 33, 100])
@pytest.mark.parametrize("extra", [0, 1])
def test_other_counts_are_interpolated_in_log_sigma(model, steps, extra):
    """As the authors' note does with numpy: from the least sigma up, and then turned round."""
    table, points = PUBLISHED[model], steps + extra
    even = np.linspace(0, 1, len(table))
    places = np.linspace(0, 1, points) if points > 1 else np.array([1.0])
    expected = np.exp(np.interp(places, even, np.log(table[::-1])))[::-1][:steps]
    assert sigmas(model, steps, extra) == pytest.approx([*expected, 0], rel=1e-12)


def test_twenty_steps_pass_through_every_published_level():
    assert sigmas("sdxl", 20)[::2] == pytest.approx([*PUBLISHED["sdxl"][:-1], 0])


def test_stable_diffusion_s_own_table_carries_its_schedules():
    """The published 14.615 is the table's 14.6146 in three decimals: the run starts at its noisiest row."""
    for model in ("sd15", "sdxl"):
        levels = AlignYourSteps(model)(Betas(), 10).levels
        assert float(levels[0].t) == 1.0 and float(levels[1].ratio) == pytest.approx(PUBLISHED[model][1])


@pytest.mark.parametrize("name", ["scaled_linear", "sigma_between", "exploding"])
def test_levels_past_the_schedule_are_refused(name):
    with pytest.raises(Refused, match="begin at sigma 700") as refusal:
        AlignYourSteps("svd")(SCHEDULES[name], 10)
    assert refusal.value.field == "spacing"


def test_a_path_without_end_has_every_level():
    levels = AlignYourSteps("svd")(SCHEDULES["rectified"], 10).levels
    assert float(levels[0].ratio) == pytest.approx(700) and math.isclose(levels[0].t, 700 / 701)


def test_extra_is_one_or_none():
    with pytest.raises(Refused, match="1 or 0"):
        AlignYourSteps(extra=2)
