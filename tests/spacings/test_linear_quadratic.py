"""Linear-quadratic: equal steps, then growing ones, joined without a kink."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.core.schedule import Rectified
from unnoise.spacings.linear_quadratic import LinearQuadratic


def made(steps, **options):
    return 1 - np.array([float(v.t) for v in LinearQuadratic(**options)(Rectified(), steps).levels])


@given(st.integers(2, 200))
def test_half_the_steps_are_equal_and_cover_the_threshold(steps):
    way, straight = made(steps), steps // 2
    assert np.diff(way[: straight + 1]) == pytest.approx(np.full(straight, 0.025 / straight), abs=1e-12)
    assert way[straight] == pytest.approx(0.025) and way[-1] == 1.0


@pytest.mark.parametrize("steps", [6, 21, 64])
def test_the_second_piece_is_a_parabola_that_starts_with_the_first_one_s_slope(steps):
    straight = steps // 2
    bent = np.diff(made(steps)[straight:])
    assert np.diff(bent, 2) == pytest.approx(np.zeros(len(bent) - 2), abs=1e-12)
    growth = bent[1] - bent[0]
    assert bent[0] - growth / 2 == pytest.approx(0.025 / straight)


def test_options():
    way = made(10, threshold=0.2, linear=4)
    assert way[:5] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2]) and way[-1] == 1.0
    assert made(1).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("options", "steps"),
    [({"threshold": 0.0}, 8), ({"threshold": 0.9}, 8), ({"linear": 8}, 8), ({"linear": 1}, 1), ({"linear": -1}, 4)],
)
def test_pieces_that_do_not_fit_are_refused(options, steps):
    with pytest.raises(Refused, match="cannot cover") as refusal:
        LinearQuadratic(**options)(Rectified(), steps)
    assert refusal.value.field == "spacing"
