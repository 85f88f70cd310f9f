"""Spacings: strictly falling levels on every schedule, the ends they promise, and the rows of their peers."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oracles import SCHEDULES
from unnoise.core.error import Refused
from unnoise.core.level import quieter
from unnoise.core.schedule import Betas, Cosine, Exploding, Rectified
from unnoise.core.trajectory import level_at
from unnoise.spacings import SPACINGS
from unnoise.spacings.align_your_steps import AlignYourSteps
from unnoise.spacings.beta import Beta
from unnoise.spacings.exponential import Exponential
from unnoise.spacings.karras import Karras
from unnoise.spacings.leading import Leading
from unnoise.spacings.linear_quadratic import LinearQuadratic
from unnoise.spacings.linspace import Linspace
from unnoise.spacings.listed import Listed
from unnoise.spacings.polyexponential import Polyexponential
from unnoise.spacings.sgm_uniform import SGMUniform
from unnoise.spacings.shifted import Shifted
from unnoise.spacings.simple import Simple
from unnoise.spacings.trailing import Trailing
from unnoise.spacings.uniform import Uniform

SPACED = {name: SPACINGS[name]() for name in SPACINGS if name != "listed"} | {
    "shifted low": Shifted(3.0, 1e-3),
    "karras in a range": Karras(5.0, 0.05, 0.8),
    "polyexponential 1.3": Polyexponential(1.3),
    "leading 1": Leading(1, "unit", "row"),
    "leading of DPM-Solver": Leading(extra=1),
    "linspace rounded": Linspace(True),
    "linspace of DPM-Solver": Linspace(True, extra=1, end="row"),
    "trailing to row 0": Trailing("unit", "row"),
    "beta over sigma": Beta(over="sigma"),
    "align_your_steps of SDXL": AlignYourSteps("sdxl", 0),
    "linear_quadratic of 0.005": LinearQuadratic(0.005, 1),
}
SHAPE = (16, 64, 64)
every = pytest.mark.parametrize("spacing", SPACED.values(), ids=SPACED)
rows = pytest.mark.parametrize("total", [1000, 1100])


def numbers(trajectory):
    return [float(level.ratio) for level in trajectory.levels]


@every
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 20, 50, 200])
def test_levels_fall_strictly_lie_on_the_schedule_and_end_clean(spacing, schedule, steps):
    if steps == 1 and getattr(spacing, "linear", 0):
        pytest.skip("one step cannot be both straight and curved")
    trajectory = spacing(schedule, steps, SHAPE)
    levels = trajectory.levels
    assert trajectory.steps == steps and trajectory.schedule is schedule
    assert all(quieter(to, now) for now, to in pairwise(levels))
    for level in levels:
        assert level.t.ndim == 0 and level.t.dtype == level.alpha.dtype == level.sigma.dtype == torch.float64
        on = level_at(schedule, float(level.t))
        assert (float(on.alpha), float(on.sigma)) == (float(level.alpha), float(level.sigma))
    ends_at_row = getattr(spacing, "end", "clean") == "row"
    assert levels[-1].clean or (ends_at_row and float(levels[-1].t) == 1 / (schedule.rows or 1000))
    unit = getattr(spacing, "start", "noise") == "unit"
    assert trajectory.start == (1.0 if unit else float(levels[0].sigma))


@given(st.sampled_from(list(SPACED.values())), st.sampled_from(list(SCHEDULES.values())), st.integers(-2, 130))
def test_any_number_of_steps_is_laid_or_refused(spacing, schedule, steps):
    schedule = Betas(rows=100) if schedule.rows else schedule  # so that steps may outnumber rows
    try:
        trajectory = spacing(schedule, steps, SHAPE)
    except Refused as refusal:
        # levels of its own that this short table lacks, or one step that cannot be both straight and curved
        own = isinstance(spacing, AlignYourSteps) or (steps == 1 and getattr(spacing, "linear", 0))
        assert refusal.field == ("spacing" if own and steps > 0 else "steps")
        return
    idle = getattr(spacing, "end", "clean") == "row" and trajectory.levels[-1].t == 1 / (schedule.rows or 1000)
    assert trajectory.steps in ((steps - 1, steps) if idle else (steps,))  # a step from row 0 to row 0 is left out
    assert trajectory.levels[0].t <= 1


@every
@pytest.mark.parametrize("steps", [0, -1])
def test_no_steps_are_refused(spacing, steps):
    with pytest.raises(Refused, match="at least one") as refusal:
        spacing(Rectified(), steps, SHAPE)
    assert refusal.value.field == "steps"


@pytest.mark.parametrize("spacing", [Leading(), Linspace(), Trailing(), Simple()])
def test_more_steps_than_rows_are_refused(spacing):
    with pytest.raises(Refused, match="more than the table's 100 rows"):
        spacing(Betas(rows=100), 101)
    assert spacing(Betas(rows=100), 100).steps == 100


@pytest.mark.parametrize("name", [n for n in SPACINGS if n not in ("leading", "listed", "align_your_steps")])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_all_that_name_no_sigmas_but_leading_begin_at_the_noisiest_level(name, schedule):
    top = level_at(schedule, 1.0)
    assert float(SPACED[name](schedule, 10, SHAPE).levels[0].ratio) == pytest.approx(float(top.ratio), rel=1e-9)


def test_uniform_and_shifted_are_what_they_say():
    assert [float(v.t) for v in Uniform()(Rectified(), 4).levels] == [1, 0.75, 0.5, 0.25, 0]
    for shift in (0.5, 1.0, 3.0, math.exp(1.15)):
        expected = [shift * t / (1 + (shift - 1) * t) for t in (1, 0.75, 0.5, 0.25, 0)]
        assert [float(v.t) for v in Shifted(shift)(Rectified(), 4).levels] == pytest.approx(expected)
    low = [float(v.t) for v in Shifted(1.0, 0.1)(Rectified(), 4).levels]
    assert low == pytest.approx([1, 0.7, 0.4, 0.1, 0])


@given(st.integers(2, 60), st.floats(1, 12))
def test_karras_is_equation_5(steps, rho):
    low, high = 0.002, 80.0
    expected = [
        (high ** (1 / rho) + i / (steps - 1) * (low ** (1 / rho) - high ** (1 / rho))) ** rho for i in range(steps)
    ]
    assert numbers(Karras(rho)(Exploding(), steps)) == pytest.approx([*expected, 0.0], rel=1e-9)


def test_exponential_is_even_in_log_sigma_and_polyexponential_1_is_it():
    logs = np.log(numbers(Exponential(0.03, 14.6)(Exploding(), 9))[:-1])
    assert np.diff(logs) == pytest.approx(np.full(8, np.log(0.03 / 14.6) / 8))
    assert numbers(Polyexponential()(Exploding(), 9)) == pytest.approx(numbers(Exponential()(Exploding(), 9)))


@pytest.mark.parametrize("name", ["rectified", "cosine", "zero_terminal_snr"])
def test_a_path_without_a_largest_sigma_is_ramped_in_the_straight_one_s_time(name):
    """sigma / (alpha + sigma) runs from 1 by the same equation."""
    schedule = SCHEDULES[name]
    found = [float(v.sigma / (v.alpha + v.sigma)) for v in Karras()(schedule, 6).levels]
    low = level_at(schedule, schedule.low)
    bottom = float(low.sigma / (low.alpha + low.sigma))
    expected = [(1 + i / 5 * (bottom ** (1 / 7) - 1)) ** 7 for i in range(6)]
    assert found == pytest.approx([*expected, 0.0], rel=1e-9)


def table_rows(trajectory, total):
    return [round(float(v.t) * total - 1, 6) for v in trajectory.levels[:-1]]


@rows
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 10, 13, 25, 30, 48, 50, 96, 100, 111, 240, 333, 500, 999, 1000])
def test_rows_are_those_of_diffusers(steps, total):
    """Written with numpy as its schedulers do, rounding of halves included; and ComfyUI's `sgm_uniform` and `simple`.

    For some counts (61, 103, 121 of 1000 rows, ...) its `trailing` yields one timestep too many, row -1, because
    arange(total, 0, -total / steps) is open at an end that rounding steps over; the first `steps` of it are compared.
    """
    table = Rectified(rows=total)
    assert table_rows(Leading()(table, steps), total) == [i * (total // steps) for i in reversed(range(steps))]
    expected = (np.arange(total, 0, -total / steps).round() - 1)[:steps]
    assert table_rows(Trailing()(table, steps), total) == expected.tolist()
    assert table_rows(SGMUniform()(table, steps), total) == pytest.approx(
        np.linspace(total - 1, 0, steps + 1)[:-1].tolist(), abs=1e-6
    )
    assert table_rows(Simple()(table, steps), total) == [total - 1 - int(i * (total / steps)) for i in range(steps)]
    if steps > 1:
        line = np.linspace(0, total - 1, steps)[::-1]
        assert table_rows(Linspace()(table, steps), total) == pytest.approx(line.tolist())
        assert table_rows(Linspace(True)(table, steps), total) == line.round().tolist()
    if steps >= total - 1:
        return
    line = np.linspace(0, total - 1, steps + 1).round()[::-1][:-1]
    assert table_rows(Linspace(True, extra=1)(table, steps), total) == line.tolist()
    stride = total // (steps + 1)
    assert table_rows(Leading(1, extra=1)(table, steps), total) == [i * stride + 1 for i in range(steps, 0, -1)]


def test_stable_diffusion_s_ddim_ends_at_row_0_and_starts_at_unit_variance():
    trajectory = Leading(1, "unit", "row")(Betas(), 50)
    assert table_rows(trajectory, 1000) == [i * 20 + 1 for i in reversed(range(50))]
    assert float(trajectory.levels[-1].t) == 1 / 1000 and trajectory.start == 1.0


@pytest.mark.parametrize("spacing", [Leading(end="row"), Linspace(end="row"), Linspace(True, end="row")])
def test_a_last_step_from_row_0_to_row_0_is_left_out(spacing):
    """diffusers takes it; it changes nothing, and a trajectory falls strictly."""
    trajectory = spacing(Betas(), 10)
    assert trajectory.steps == 9 and float(trajectory.levels[-1].t) == 1 / 1000
    with pytest.raises(Refused):
        Leading(end="row")(Betas(), 1)


def test_rows_past_the_table_are_refused():
    with pytest.raises(Refused, match="row 1000 lies past the table's 1000"):
        Leading(1)(Betas(), 1000)


@pytest.mark.parametrize(
    "spacing",
    [
        Karras(low=20.0),
        Karras(high=15.0),
        Exponential(low=0.5, high=0.2),
        Polyexponential(low=-1.0),
        Karras(high=math.nan),
    ],
)
def test_a_range_that_is_none_of_the_schedule_s_is_refused(spacing):
    with pytest.raises(Refused, match="do not lie on this schedule"):
        spacing(Betas(), 10)


@pytest.mark.parametrize("rho", [0.0, -7.0, 1e-3, 1e6, math.nan])
@pytest.mark.parametrize("maker", [Karras, Polyexponential])
def test_a_rho_that_makes_no_ramp_is_refused(maker, rho):
    with pytest.raises(Refused, match=r"rho runs from 0\.1 to 100"):
        maker(rho)


@pytest.mark.parametrize(
    "spacing", [Shifted(0.0), Shifted(-1.0), Shifted(math.nan), Shifted(3.0, 1.0), Shifted(3.0, 2.0)]
)
def test_a_shift_that_turns_time_round_is_refused(spacing):
    with pytest.raises(Refused):
        spacing(Rectified(), 4)


def test_listed_levels_are_the_ones_named():
    found = Listed(sigmas=(14.6, 7.0, 0.3))(Betas(), 3)
    assert numbers(found) == pytest.approx([14.6, 7.0, 0.3, 0.0])
    assert [float(v.t) for v in Listed(times=(1.0, 0.5, 0.0))(Cosine(), 2).levels] == [1, 0.5, 0]


@pytest.mark.parametrize(
    ("spacing", "steps", "says"),
    [
        (Listed(), 3, "needs its levels"),
        (Listed((3.0,), (0.5,)), 1, "not both"),
        (Listed((3.0, 1.0)), 5, "2 levels are listed for 5 steps"),
        (Listed((1.0, 3.0)), 2, "repeats or reverses"),
        (Listed(times=(1.5,)), 1, "outside the schedule"),
    ],
)
def test_lists_that_make_no_run_are_refused(spacing, steps, says):
    with pytest.raises(Refused, match=says):
        spacing(Betas(), steps)
