"""DDIM inversion: the published step on every path, and its refinement, which is the inverse of Euler's method."""

from itertools import pairwise

import pytest
import torch

from oracles import SCHEDULES, Gaussian, Mixture, order, quantiles
from unnoise.core.error import Refused
from unnoise.core.level import Level
from unnoise.core.noise import Seeds
from unnoise.core.sampler import upward
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory, level_of
from unnoise.samplers.ddim_inverse import DDIMInverse
from unnoise.samplers.euler import Euler
from unnoise.spacings.karras import Karras
from unnoise.spacings.uniform import Uniform

ORACLES = {"gaussian": Gaussian(), "mixture": Mixture()}
paths = pytest.mark.parametrize("name", SCHEDULES)


def laid(name: str, steps: int) -> Trajectory:
    # A clipped cosine table begins at sigmas of 20000, and a run would spend its steps up there.
    return Karras(high=80.0 if name == "squared_cosine" else 0.0)(SCHEDULES[name], steps)


def picture(oracle: Gaussian | Mixture, level: Level) -> torch.Tensor:
    units = quantiles(41)
    return oracle.at(level, units if isinstance(oracle, Gaussian) else torch.special.ndtr(units))


def up(sampler: DDIMInverse, oracle: Gaussian | Mixture, x: torch.Tensor, trajectory: Trajectory) -> State:
    *_, last = sampler(oracle, State(x, trajectory.levels[-1]), trajectory, Seeds((0,)))
    return last


@paths
@pytest.mark.parametrize("oracle", ORACLES.values(), ids=ORACLES)
def test_refined_it_is_undone_by_euler_s_method(oracle, name):
    trajectory = laid(name, 20)
    x = picture(oracle, trajectory.levels[-1])
    noisy = up(DDIMInverse(80), oracle, x, trajectory)
    assert noisy.level is trajectory.levels[0]
    *_, back = Euler()(oracle, State(noisy.x, noisy.level), trajectory, Seeds((0,)))
    torch.testing.assert_close(back.x, x, rtol=1e-6, atol=1e-6)


@paths
def test_each_refinement_comes_nearer(name):
    """How far from the picture Euler's method ends: hardly after one, less again after four and after sixteen."""
    trajectory, oracle, off = laid(name, 20), Mixture(), []
    x = picture(oracle, trajectory.levels[-1])
    for iterations in (0, 1, 4, 16):
        noisy = up(DDIMInverse(iterations), oracle, x, trajectory)
        *_, back = Euler()(oracle, State(noisy.x, noisy.level), trajectory, Seeds((0,)))
        off.append(float((back.x - x).abs().mean()))
    assert all(later < earlier for earlier, later in pairwise(off)) and off[-1] < off[0] / 20
    assert off[1] < 0.01  # held to the noise instead of the data at high noise, one refinement leaves twice as much


@pytest.mark.parametrize("iterations", [0, 1])
@pytest.mark.parametrize("oracle", ORACLES.values(), ids=ORACLES)
@pytest.mark.parametrize("name", [n for n in SCHEDULES if n not in ("rectified", "cosine", "zero_terminal_snr")])
def test_it_goes_where_the_exact_ode_goes_at_first_order(name, oracle, iterations):
    """From the least noise of the run on: the step from the clean level is of no order in their number."""
    errors = []
    for steps in (96, 192):
        levels = laid(name, steps).levels[:-1]
        trajectory = Trajectory(levels, SCHEDULES[name], 1.0)
        x = picture(oracle, levels[-1])
        found = up(DDIMInverse(iterations), oracle, x, trajectory)
        errors.append(float((found.x - oracle.moved(x, levels[-1], levels[0])).abs().mean()))
    assert order(*errors) > 0.75


@pytest.mark.parametrize("iterations", [0, 1, 5])
def test_every_path_gives_the_same_step(iterations):
    """At equal ratios of noise to data x differs by its size alone."""
    found = []
    for name in ("exploding", "linear", "rectified"):
        levels = tuple(level_of(SCHEDULES[name], ratio) for ratio in (5.0, 2.0, 0.7, 0.2))
        trajectory = Trajectory(levels, SCHEDULES[name], 1.0)
        x = levels[-1].alpha * picture(Mixture(), level_of(SCHEDULES["exploding"], 0.2))
        last = up(DDIMInverse(iterations), Mixture(), x, trajectory)
        found.append(last.x / last.level.alpha)
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found[2], found[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["rectified", "cosine", "zero_terminal_snr"])
def test_the_step_to_alpha_0_is_exact_at_once(name):
    """No guess there depends on x."""
    schedule, oracle = SCHEDULES[name], Mixture()
    levels = (schedule(torch.ones((), dtype=torch.float64)), level_of(schedule, 3.0))
    trajectory = Trajectory(levels, schedule, 1.0)
    x = picture(oracle, levels[1])
    top = up(DDIMInverse(), oracle, x, trajectory)
    *_, back = Euler()(oracle, State(top.x, top.level), trajectory, Seeds((0,)))
    torch.testing.assert_close(back.x, x)


@paths
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("iterations", [0, 3])
def test_few_steps_are_finite_and_sane(iterations, steps, name):
    trajectory = (Uniform() if name in ("rectified", "cosine") else Karras())(SCHEDULES[name], steps)
    states = list(
        DDIMInverse(iterations)(
            Mixture(), State(picture(Mixture(), trajectory.levels[-1]), trajectory.levels[-1]), trajectory, Seeds((0,))
        )
    )
    assert [s.level for s in states] == list(trajectory.levels[-2::-1]) and len(states) == steps
    top = states[-1].level
    assert states[-1].x.isfinite().all() and states[-1].x.abs().max() < 5 * float(top.alpha + top.sigma)


@pytest.mark.parametrize("iterations", [0, 2])
def test_evaluations_are_counted(iterations):
    calls = []

    def counted(x: torch.Tensor, level: Level) -> torch.Tensor:
        calls.append(level)
        return Mixture()(x, level)

    trajectory = laid("linear", 5)
    begun = State(picture(Mixture(), trajectory.levels[-1]), trajectory.levels[-1])
    assert len(list(DDIMInverse(iterations)(counted, begun, trajectory, Seeds((0,))))) == 5
    assert len(calls) == 5 * (1 + iterations) and trajectory.levels[-1] not in calls


def test_it_walks_up_and_refines_no_less_than_never():
    assert upward(DDIMInverse())
    with pytest.raises(Refused, match="cannot refine -1 times"):
        DDIMInverse(-1)
