"""States: the way ahead is found by level, and memory belongs to who left it."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.level import shared
from unnoise.core.schedule import Cosine, Rectified
from unnoise.core.state import State, begin, remember
from unnoise.core.trajectory import level_at, through

X = torch.zeros(1, 2)


def times(state, trajectory):
    return [(float(now.t), float(to.t)) for now, to in state.remaining(trajectory)]


def test_the_way_ahead_begins_at_the_state_s_own_level():
    trajectory = through(Rectified(), [1.0, 0.75, 0.5, 0.25, 0.0])
    assert times(State(X, trajectory.levels[0]), trajectory) == [(1, 0.75), (0.75, 0.5), (0.5, 0.25), (0.25, 0)]
    assert times(State(X, trajectory.levels[3]), trajectory) == [(0.25, 0)]
    assert times(State(X, level_at(Rectified(), 0.6)), trajectory) == [(0.6, 0.5), (0.5, 0.25), (0.25, 0)]
    assert times(State(X, trajectory.levels[-1]), trajectory) == []


@given(st.integers(0, 7))
def test_a_level_restored_with_rounding_is_not_walked_twice(index):
    trajectory = through(Cosine(), [(8 - i) / 8 for i in range(9)])
    level = trajectory.levels[index]
    near = shared(float(level.t), float(level.alpha), float(level.sigma) * (1 + 1e-14))
    assert len(times(State(X, near), trajectory)) == 8 - index


def test_another_trajectory_may_take_over():
    state = State(X, level_at(Rectified(), 0.5), step=3)
    assert times(state, through(Rectified(), [1.0, 0.9, 0.2, 0.0])) == [(0.5, 0.2), (0.2, 0)]


def test_a_run_begins_at_the_trajectory_s_start():
    noise = torch.ones(1, 2)
    state = begin(through(Rectified(), [0.5, 0.0]), noise)
    assert torch.equal(state.x, 0.5 * noise) and float(state.level.t) == 0.5 and state.step == 0
    assert torch.equal(begin(through(Rectified(), [0.5, 0.0], 1.0), noise).x, noise)


def test_next_counts_and_keeps_only_the_memory_it_is_given():
    level = level_at(Rectified(), 0.5)
    state = State(X, level, 4, memory=remember("heun", slope=X)).next(X + 1, level, X + 2)
    assert state.step == 5 and torch.equal(state.x, X + 1) and torch.equal(state.data, X + 2) and not state.memory


def test_memory_is_recalled_by_its_owner_alone():
    state = State(X, level_at(Rectified(), 0.5), memory=remember("lms", slope=X + 1, before=X + 2))
    assert set(state.memory) == {"lms.slope", "lms.before"}
    assert set(state.recall("lms")) == {"slope", "before"} and torch.equal(state.recall("lms")["slope"], X + 1)
    assert state.recall("lm") == state.recall("dpmpp_2m") == {}


def test_x_is_at_least_float32():
    level = level_at(Rectified(), 0.5)
    assert State(X.half(), level).x.dtype == State(X.bfloat16(), level).x.dtype == torch.float32
    assert State(X.double(), level).x.dtype == torch.float64
