"""Stochastic samplers: the mean and the variance of what they draw.

With data ~ N(m, d²) the exact guess is linear in x, so a step x' = keep x + move guess(x) + fresh noise has moments
that can be written down: those of Ho et al. 2020, eq. 6 and 7, on any path, in `posterior`. The samples must have them
to within three standard errors at 200 steps, and they must approach the data's own at first order: a posterior drawn
with `small` variance leaves out what is not known of the data, one with `large` counts it as if the data were N(0, 1).

Methods of several guesses a step, or of a memory, have no such short form: there the run's own moments are read off it
(`moments_of`), which test_weak_order.py compares with the data's. LCM draws from the data where its model leads there.
"""

import math
from itertools import pairwise

import pytest
import torch

from oracles import SCHEDULES, Gaussian, Jump, Mixture, Plane, moments_of
from unnoise.core.level import Level
from unnoise.core.noise import Seeds
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory, level_at
from unnoise.samplers.ddim import DDIM
from unnoise.samplers.ddpm import DDPM
from unnoise.samplers.dpm2_ancestral import DPM2Ancestral
from unnoise.samplers.dpmpp_2m_sde import DPMpp2MSDE
from unnoise.samplers.dpmpp_2s_ancestral import DPMpp2SAncestral
from unnoise.samplers.dpmpp_3m_sde import DPMpp3MSDE
from unnoise.samplers.dpmpp_sde import DPMppSDE
from unnoise.samplers.er_sde import ERSDE
from unnoise.samplers.euler_ancestral import EulerAncestral
from unnoise.samplers.lcm import LCM
from unnoise.samplers.restart import Restart
from unnoise.samplers.sa_solver import SASolver
from unnoise.samplers.tcd import TCD
from unnoise.spacings.karras import Karras
from unnoise.spacings.trailing import Trailing
from unnoise.spacings.uniform import Uniform

STOCHASTIC = {"ddpm small": DDPM(), "ddpm large": DDPM("large"), "ddim": DDIM(1.0), "ancestral": EulerAncestral()}
LINEAR = {
    "dpm2 a": DPM2Ancestral(),
    "2s a": DPMpp2SAncestral(),
    "sde": DPMppSDE(),
    "2m sde": DPMpp2MSDE(),
    "2m sde heun": DPMpp2MSDE(solver_type="heun"),
    "3m sde": DPMpp3MSDE(),
    "restart": Restart(times=2),
    "sa": SASolver(),
    "er sde": ERSDE(),
    "tcd": TCD(),
}
CONVERGENT = STOCHASTIC | {k: v for k, v in LINEAR.items() if k != "tcd"}
COUNT = 10_000
methods = pytest.mark.parametrize("sampler", STOCHASTIC.values(), ids=STOCHASTIC)
linear = pytest.mark.parametrize("sampler", LINEAR.values(), ids=LINEAR)
convergent = pytest.mark.parametrize("sampler", CONVERGENT.values(), ids=CONVERGENT)
paths = pytest.mark.parametrize("name", SCHEDULES)


def spaced(name: str, steps: int) -> Trajectory:
    if name == "exploding":
        return Karras()(SCHEDULES[name], steps)
    return (Trailing() if SCHEDULES[name].rows else Uniform())(SCHEDULES[name], steps)


def run(sampler, denoise, x: torch.Tensor, trajectory: Trajectory, seed: int = 0) -> torch.Tensor:
    *_, last = sampler(denoise, State(x, trajectory.levels[0]), trajectory, Seeds((seed,)))
    return last.x


def units(*shape: int) -> torch.Tensor:
    return torch.randn(1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def posterior(now: Level, to: Level, large: bool) -> tuple[float, float, float]:
    """Of q(x_to | x_now, data): the weight of x_now, that of the data, and the variance drawn (or beta, if large)."""
    a, s, b, r = (float(v) for v in (now.alpha, now.sigma, to.alpha, to.sigma))
    beta = s**2 - (a / b) ** 2 * r**2
    return a / b * r**2 / s**2, b * beta / s**2, beta if large and r else beta * r**2 / s**2


def moments(oracle: Gaussian, trajectory: Trajectory, large: bool) -> tuple[float, float]:
    """The exact mean and variance of what a posterior sampler ends with, from the exact marginal on."""
    first = trajectory.levels[0]
    mean, variance = float(first.alpha) * oracle.mean, float(oracle.spread(first)) ** 2
    for now, to in pairwise(trajectory.levels):
        zero, one = (float(oracle(torch.tensor(v, dtype=torch.float64), now)) for v in (0.0, 1.0))
        keep, move, drawn = posterior(now, to, large)
        slope = keep + move * (one - zero)
        mean, variance = slope * mean + move * zero, slope**2 * variance + drawn
    return mean, variance


def within(values: torch.Tensor, mean: float, variance: float, errors: float = 3.0) -> None:
    """The sample's mean and variance lie within so many standard errors of these."""
    count, off = values.numel(), values - values.mean()
    kurtosis = max(float((off**4).mean() / off.var().clamp(min=1e-12) ** 2), 1.0)
    assert abs(float(values.mean()) - mean) < errors * math.sqrt(variance / count) + 1e-9
    assert abs(float(values.var()) - variance) < errors * variance * math.sqrt((kurtosis - 1) / count) + 1e-9


@methods
@paths
def test_moments_are_those_of_the_posterior(sampler, name):
    oracle, trajectory = Gaussian(), spaced(name, 200)
    x = oracle.at(trajectory.levels[0], units(COUNT))
    found = run(sampler, oracle, x, trajectory)
    within(found, *moments(oracle, trajectory, sampler == DDPM("large")))


@pytest.mark.parametrize("large", [False, True])
@paths
def test_moments_approach_the_data_s_at_first_order(name, large):
    """What is left of the error halves as the steps double; the mean is right at once."""
    oracle, off = Gaussian(), []
    for steps in (250, 500):
        trajectory = spaced(name, steps)
        mean, variance = moments(oracle, trajectory, large)
        assert mean == pytest.approx(oracle.mean, abs=0.01)
        # The last step goes from the least noise straight to the guess, and loses that noise's variance.
        last = trajectory.levels[-2]
        floor = 2 * float(last.sigma / last.alpha) ** 2 / oracle.std**2
        off.append(abs(variance / oracle.std**2 - 1))
        assert off[-1] < 25 / steps + floor
    assert off[1] < 0.75 * off[0] + 0.003


@linear
@paths
@pytest.mark.parametrize("steps", [3, 60])
def test_draws_are_independent_and_of_unit_variance(sampler, name, steps):
    """Then the sample has the moments of the run, read off it with every draw a unit vector."""
    oracle, trajectory = Gaussian(), spaced(name, steps)
    found = run(sampler, oracle, oracle.at(trajectory.levels[0], units(COUNT)), trajectory)
    within(found, *moments_of(sampler, oracle, trajectory), errors=3.5)


@convergent
@paths
def test_the_mixture_s_own_moments_within_three_standard_errors(sampler, name):
    """2000 samples at 200 steps: the standard error is then as large as what the steps leave."""
    oracle, trajectory = Mixture(), spaced(name, 200)
    level = trajectory.levels[0]
    x = oracle.at(level, torch.rand(1, 2000, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))
    within(run(sampler, oracle, x, trajectory), oracle.mean, oracle.variance)


@pytest.mark.parametrize(
    ("key", "name"),
    [(k, n) for k in STOCHASTIC for n in ("rectified", "exploding", "scaled_linear")]
    + [(k, "scaled_linear") for k in CONVERGENT if k not in STOCHASTIC],
)
def test_correlated_data_keeps_its_covariance(key, name):
    oracle, trajectory = Plane(), spaced(name, 200)
    x = float(trajectory.levels[0].sigma) * units(4000, 2)
    found = run(CONVERGENT[key], oracle, x + float(trajectory.levels[0].alpha) * oracle.moments()[0], trajectory)[0]
    mean, covariance = oracle.moments()
    torch.testing.assert_close(found.mean(0), mean, rtol=0, atol=3 * (float(covariance.diag().max()) / 4000) ** 0.5)
    torch.testing.assert_close(torch.cov(found.T), covariance, rtol=0, atol=0.05)


@paths
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("oracle", [Gaussian(), Mixture()], ids=["gaussian", "mixture"])
def test_lcm_draws_from_the_data_in_any_number_of_steps(oracle, name, steps):
    """Given a model that leads to the data exactly; above a table's first rows its boundary adds next to nothing."""
    trajectory = spaced(name, steps)
    part = torch.rand(1, 2000, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    x = oracle.at(trajectory.levels[0], torch.special.ndtri(part) if isinstance(oracle, Gaussian) else part)
    found = run(LCM(), Jump(oracle), x, trajectory)
    variance = oracle.variance if isinstance(oracle, Mixture) else oracle.std**2
    within(found, oracle.mean, variance)


@methods
@paths
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_few_steps_are_finite_and_have_the_posterior_s_moments(sampler, name, steps):
    oracle, trajectory = Gaussian(), spaced(name, steps)
    x = oracle.at(trajectory.levels[0], units(2000))
    found = run(sampler, oracle, x, trajectory)
    assert found.isfinite().all()
    within(found, *moments(oracle, trajectory, sampler == DDPM("large")), errors=3.5)


@methods
@paths
def test_one_step_is_the_posterior(sampler, name):
    """From one x, many times: the mean and the variance of q(x_to | x_now, guess), of eq. 7."""
    schedule, oracle = SCHEDULES[name], Gaussian()
    now, to = level_at(schedule, 0.7), level_at(schedule, 0.5)
    x = torch.full((1, COUNT), 0.4, dtype=torch.float64)
    keep, move, drawn = posterior(now, to, sampler == DDPM("large"))
    found = next(sampler(oracle, State(x, now), Trajectory((now, to), schedule, 1.0), Seeds((3,)))).x
    within(found, keep * 0.4 + move * float(oracle(x, now)[0, 0]), drawn)


@paths
def test_eta_1_is_ddpm_and_ancestral_number_for_number(name):
    trajectory, oracle = spaced(name, 12), Mixture()
    x = float(trajectory.levels[0].sigma) * units(64)
    ends = [run(s, oracle, x, trajectory) for s in (DDIM(1.0), DDPM(), EulerAncestral())]
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ends[0], ends[2], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("eta", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("name", ["rectified", "scaled_linear", "zero_terminal_snr"])
def test_any_eta_keeps_the_marginal(name, eta):
    """Song et al. 2021a: eta moves variance from the guessed noise to fresh noise and leaves the marginal alone."""
    oracle = Gaussian(0.7, 1e-6)  # data of no spread, whose guess is exact
    now, to = level_at(SCHEDULES[name], 0.8), level_at(SCHEDULES[name], 0.4)
    x = oracle.at(now, units(COUNT))
    for sampler in (DDIM(eta), EulerAncestral(eta)):
        found = next(sampler(oracle, State(x, now), Trajectory((now, to), SCHEDULES[name], 1.0), Seeds((5,)))).x
        within(found, float(to.alpha) * 0.7, float(to.sigma) ** 2)


@pytest.mark.parametrize("name", ["rectified", "exploding", "linear"])
def test_eta_0_draws_nothing(name):
    def silence(x, step, purpose="step"):
        raise AssertionError("noise was drawn")

    trajectory, oracle = spaced(name, 5), Gaussian()
    x = float(trajectory.levels[0].sigma) * units(8)
    *_, last = DDIM(0.0)(oracle, State(x, trajectory.levels[0]), trajectory, silence)
    assert last.level.clean


def test_s_noise_is_a_factor_on_what_is_drawn():
    oracle, now, to = Gaussian(), level_at(SCHEDULES["exploding"], 0.7), level_at(SCHEDULES["exploding"], 0.5)
    x = oracle.at(now, units(64))
    ends = []
    for factor in (0.0, 1.0, 2.0):
        trajectory = Trajectory((now, to), SCHEDULES["exploding"], 1.0)
        ends.append(next(EulerAncestral(1.0, factor)(oracle, State(x, now), trajectory, Seeds((0,)))).x)
    assert not torch.equal(ends[0], ends[1])
    torch.testing.assert_close(ends[2] - ends[0], 2 * (ends[1] - ends[0]))
