"""Trajectories: strictly falling, at least one step, and any level in between."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import SCHEDULES
from unnoise.core.error import Refused
from unnoise.core.schedule import Cosine, Rectified
from unnoise.core.trajectory import Trajectory, counted, level_at, level_of, through


def test_a_trajectory_goes_through_its_times():
    trajectory = through(Rectified(), [1.0, 0.5, 0.25, 0.0])
    assert [float(level.t) for level in trajectory.levels] == [1.0, 0.5, 0.25, 0.0]
    assert trajectory.steps == 3 and trajectory.start == 1.0
    assert through(Rectified(), [0.5, 0.0]).start == 0.5
    assert through(Rectified(), [0.5, 0.0], 1.0).start == 1.0


@pytest.mark.parametrize("times", [[1.0, 0.5, 0.5, 0.0], [0.5, 0.6, 0.0], [1.0, 1.0, 0.0], [0.5, 0.5 - 1e-13, 0.0]])
def test_a_level_that_repeats_or_rises_is_refused(times):
    with pytest.raises(Refused, match="repeats or reverses a level at step") as refusal:
        through(Rectified(), times)
    assert refusal.value.field == "steps"


@pytest.mark.parametrize("times", [[1.0], [0.0]])
def test_a_run_needs_a_step(times):
    with pytest.raises(Refused, match="at least one step"):
        through(Rectified(), times)


@pytest.mark.parametrize("t", [-0.1, 1.1, math.nan])
def test_times_outside_the_schedule_are_refused(t):
    with pytest.raises(Refused, match="outside the schedule"):
        level_at(Rectified(), t)


@pytest.mark.parametrize("steps", [0, -3])
def test_no_steps_are_refused(steps):
    with pytest.raises(Refused, match="at least one"):
        counted(steps)
    assert counted(1) == 1


@given(st.sampled_from(list(SCHEDULES.values())), st.floats(-4, 6))
def test_any_level_in_between_lies_on_the_path(schedule, log_snr):
    trajectory = Trajectory((level_at(schedule, 1.0), level_at(schedule, 0.0)), schedule, 1.0)
    level = trajectory.at(log_snr)
    assert float(level.log_snr) == pytest.approx(log_snr, abs=1e-7)
    on = level_at(schedule, float(level.t))
    assert float(on.alpha) == pytest.approx(float(level.alpha), rel=1e-7)


def test_the_infinite_ends_may_be_asked_for():
    trajectory = through(Cosine(), [1.0, 0.0])
    assert float(trajectory.at(math.inf).sigma) == 0
    assert float(trajectory.at(-math.inf).alpha) == 0
    assert float(level_of(Cosine(), 1.0).t) == pytest.approx(0.5)


@pytest.mark.parametrize("schedule", [Rectified(), Cosine()])
def test_a_level_lies_in_the_step_that_begins_at_or_before_it(schedule):
    trajectory = through(schedule, [0.9, 0.6, 0.3, 0.0])
    for step, t in [(0, 1.0), (0, 0.9), (0, 0.61), (1, 0.6), (1, 0.45), (2, 0.3), (2, 0.01), (2, 0.0)]:
        assert trajectory.step(level_at(schedule, t)) == step
    near = level_at(schedule, 0.6 + 1e-12)  # restored through another representation
    assert trajectory.step(near) == 1
