"""The beta distribution's quantiles, against closed forms and mpmath, and the steps made of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.core.schedule import Betas, Exploding, Rectified
from unnoise.spacings.beta import Beta, cumulative, quantile

parts = st.floats(0, 1)
parameters = st.floats(0.1, 20)


@given(parts)
def test_quantiles_with_a_closed_form(part):
    """The arcsine law, powers, and the uniform."""
    assert quantile(part, 0.5, 0.5) == pytest.approx(math.sin(math.pi * part / 2) ** 2, abs=1e-12)
    assert quantile(part, 3, 1) == pytest.approx(part ** (1 / 3), abs=1e-12)
    assert quantile(part, 1, 1) == pytest.approx(part, abs=1e-12)


@given(parts, parameters, parameters)
def test_the_cumulative_is_mpmath_s(x, a, b):
    mpmath = pytest.importorskip("mpmath")
    assert cumulative(x, a, b) == pytest.approx(float(mpmath.betainc(a, b, 0, x, regularized=True)), abs=1e-12)


@given(parts, parameters, parameters)
def test_the_quantile_inverts_the_cumulative(part, a, b):
    x = quantile(part, a, b)
    step = 1e-15 * max(x, 1e-300)
    below, above = cumulative(max(x - 1e-15, 0), a, b), cumulative(min(x + step + 1e-15, 1), a, b)
    assert 0 <= x <= 1 and below - 1e-12 <= part <= above + 1e-12


def test_ends_and_symmetry():
    assert (quantile(0, 0.6, 0.6), quantile(1, 0.6, 0.6)) == (0, 1)
    for part in (0.01, 0.2, 0.37):
        assert quantile(part, 0.6, 0.9) == pytest.approx(1 - quantile(1 - part, 0.9, 0.6), rel=1e-12)


# Roots of mpmath's betainc at 30 digits, alpha = beta = 0.6.
KNOWN = {0.95: 0.987445543126, 0.75: 0.824319621347, 0.5: 0.5, 0.25: 0.175680378653, 0.05: 0.0125544568736}


def test_rows_follow_the_quantiles():
    rows = [float(v.t) * 1000 - 1 for v in Beta()(Rectified(), 20).levels[:-1]]
    assert rows[0] == pytest.approx(999) and all(
        rows[round((1 - part) * 20)] == pytest.approx(999 * known, abs=1e-5) for part, known in KNOWN.items()
    )
    rounded = [float(v.t) * 1000 - 1 for v in Beta(rounded=True)(Betas(), 20).levels[:-1]]
    assert all(row == pytest.approx(round(row)) for row in rounded)
    assert rounded == pytest.approx(rows, abs=0.5 + 1e-6) and rounded[10] == pytest.approx(
        500
    )  # 499.5, as numpy rounds


def test_sigmas_follow_the_quantiles_from_end_to_end():
    sigmas = [float(v.ratio) for v in Beta(over="sigma")(Exploding(), 21).levels]
    assert sigmas[0] == pytest.approx(80) and sigmas[-2:] == pytest.approx([0.002, 0])
    spread = (np.array([sigmas[1], sigmas[5], sigmas[10], sigmas[15], sigmas[19]]) - 0.002) / (80 - 0.002)
    assert spread == pytest.approx(list(KNOWN.values()), abs=1e-8)


@pytest.mark.parametrize("made", [{"alpha": 0.0}, {"beta": -1.0}, {"alpha": 1e3}, {"over": "sigma", "rounded": True}])
def test_what_makes_no_steps_is_refused(made):
    with pytest.raises(Refused) as refusal:
        Beta(**made)
    assert refusal.value.field == "spacing"


def test_rows_that_rounding_repeats_are_refused():
    with pytest.raises(Refused, match="repeats"):
        Beta(rounded=True)(Betas(), 400)
