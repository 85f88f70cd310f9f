"""KL-optimal: the paper's formula, and what it minimises."""

import math
from itertools import pairwise

import numpy as np
import pytest

from oracles import SCHEDULES
from unnoise.core.schedule import Exploding
from unnoise.spacings import SPACINGS
from unnoise.spacings.kl_optimal import KLOptimal


@pytest.mark.parametrize("steps", [2, 5, 20])
def test_it_is_the_paper_s_formula(steps):
    low, high = 0.002, 80.0
    part = np.arange(steps) / (steps - 1)
    expected = np.tan(part * math.atan(low) + (1 - part) * math.atan(high))
    found = [float(v.ratio) for v in KLOptimal()(Exploding(low, high), steps).levels]
    assert found == pytest.approx([*expected, 0], rel=1e-9)


@pytest.mark.parametrize("name", ["rectified", "cosine", "zero_terminal_snr"])
def test_a_path_that_ends_in_noise_alone_starts_at_a_right_angle(name):
    levels = KLOptimal()(SCHEDULES[name], 9).levels
    angles = [math.atan2(float(v.sigma), float(v.alpha)) for v in levels[:-1]]
    assert angles[0] == pytest.approx(math.pi / 2) and np.diff(angles) == pytest.approx(np.diff(angles)[:1].repeat(8))


def error(trajectory):
    """How much the spread of unit Gaussian data shrinks too much in Euler's method, whose steps are products there."""
    spread = math.hypot(1, float(trajectory.levels[0].ratio))
    for now, to in pairwise(float(v.ratio) for v in trajectory.levels[:-1]):
        spread *= (1 + now * to) / (1 + now**2)
    return math.hypot(1, float(trajectory.levels[-2].ratio)) / spread


def test_unit_gaussian_data_lose_least_of_their_spread():
    """Euler's step by an angle d keeps cos d of the spread, and a product of cosines is largest where all are equal."""
    steps, schedule = 12, Exploding(0.002, 80)
    found = {name: error(SPACINGS[name]()(schedule, steps)) for name in ("kl_optimal", "karras", "exponential")}
    assert found["kl_optimal"] < min(found["karras"], found["exponential"])
    each = (math.atan(80) - math.atan(0.002)) / (steps - 1)
    assert found["kl_optimal"] == pytest.approx(math.cos(each) ** -(steps - 1))
