"""How fast the variance of what a stochastic sampler draws approaches the data's: exactly, without a sample.

For normal data the guess is linear in x, so a run is a sum of its start and its draws with weights that can be read
off (`moments_of`). Errors are taken at the last noisy level, as the step from there to the clean level is Euler's and
loses that level's noise. Every method keeps the mean exactly, whatever the steps.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import torch

from oracles import SCHEDULES, Gaussian, Impulses, Mixture, moments_of, order
from unnoise.core.error import Refused
from unnoise.core.noise import Seeds
from unnoise.core.sampler import Sampler
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory, level_at, level_of
from unnoise.samplers import SAMPLERS
from unnoise.samplers.dpmpp_sde import DPMppSDE, correlation
from unnoise.samplers.er_sde import ERSDE
from unnoise.samplers.restart import Restart
from unnoise.spacings.exponential import Exponential
from unnoise.spacings.karras import Karras
from unnoise.spacings.trailing import Trailing
from unnoise.spacings.uniform import Uniform

FIRST = [
    "euler_ancestral",
    "ddim:eta=1",
    "ddpm",
    "er_sde:order=1",
    "euler_cfg_pp:eta=1",
    "sa_solver:predictor=1,corrector=0",
]
SECOND = [
    "dpm2_ancestral",
    "dpm2_ancestral:eta=0.5",
    "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral:eta=0.5",
    "dpmpp_sde",
    "dpmpp_sde:eta=0.5",
    "dpmpp_sde:r=0.7",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde:eta=0.5",
    "dpmpp_2m_sde:solver_type=heun",
    "dpmpp_3m_sde",
    "restart:times=2",
    "sa_solver",
    "sa_solver:slope=straight",
    "sa_solver:predictor=3,corrector=3",
    "sa_solver:low=0,high=1e9",
    "er_sde",
    "er_sde:order=2",
    "er_sde:form=sde",
]
STOCHASTIC = [*FIRST, *SECOND, "tcd", "tcd:eta=1", "lcm:scaling=0"]
ODES = {
    "dpm2_ancestral:eta=0": "dpm2",
    "dpmpp_2s_ancestral:eta=0": "dpmpp_sde:eta=0",
    "dpmpp_2m_sde:eta=0": "dpmpp_2m",
    "sa_solver:tau=0,corrector=0": "dpmpp_2m_sde:eta=0,solver_type=heun",
    "er_sde:form=ode,order=1": "euler",
    "restart:times=0": "heun",
    "tcd:eta=0": "euler",
    "euler_cfg_pp": "euler",
    "dpmpp_2m_cfg_pp": "dpmpp_2m",
}
SAME = ODES | {
    "sa_solver:predictor=1,corrector=0,low=0,high=1e305": "ddpm",
    "er_sde:form=sde,order=1": "ddpm",
    "euler_cfg_pp:eta=1": "ddpm",
}
paths = pytest.mark.parametrize("name", SCHEDULES)


def spaced(name: str, steps: int) -> Trajectory:
    if name == "exploding":
        return Karras()(SCHEDULES[name], steps)
    return (Trailing() if SCHEDULES[name].rows else Uniform())(SCHEDULES[name], steps)


def noisy(name: str, steps: int) -> Trajectory:
    """Without a clean end: down to a sixteenth of the time, or to the least noise that a ramp visits."""
    schedule = SCHEDULES[name]
    if name in ("rectified", "cosine"):
        levels = Uniform()(schedule, steps).levels[: -steps // 16]
    else:
        levels = (Exponential() if schedule.rows else Karras())(schedule, steps).levels[:-1]
    return Trajectory(levels, schedule, 1.0)


def off(sampler: Sampler, trajectory: Trajectory, noise=None) -> float:
    """By how much of itself the variance is wrong at the end."""
    oracle = Gaussian()
    return moments_of(sampler, oracle, trajectory, noise)[1] / float(oracle.spread(trajectory.levels[-1])) ** 2 - 1


def ended(spec: str, trajectory: Trajectory, noise=None) -> torch.Tensor:
    x = float(trajectory.levels[0].sigma) * torch.linspace(-2, 2, 9, dtype=torch.float64)[None]
    *_, last = SAMPLERS.make(spec)(Mixture(), State(x, trajectory.levels[0]), trajectory, noise or Seeds((4,)))
    return last.x


@paths
@pytest.mark.parametrize("spec", FIRST)
def test_first_order(spec, name):
    coarse, fine = (abs(off(SAMPLERS.make(spec), noisy(name, n))) for n in (64, 128))
    assert 0.85 < order(coarse, fine) < 1.1


@pytest.mark.parametrize(
    ("spec", "name", "steps"),
    [(spec, name, 64) for spec in SECOND for name in (SCHEDULES if ":" not in spec else ("rectified", "scaled_linear"))]
    # Its error changes its sign between 32 and 64 steps.
    + [("er_sde:form=sde", "exploding", 160)],
)
def test_second_order(spec, name, steps):
    """Some errors change their sign on the way, and are less than a ten thousandth there."""
    coarse, fine = (abs(off(SAMPLERS.make(spec), noisy(name, n))) for n in (steps, 2 * steps))
    assert order(coarse, fine) > 1.75 or max(coarse, fine) < 1e-4
    assert fine < 0.03


@paths
@pytest.mark.parametrize("spec", [*STOCHASTIC, "dpmpp_2m_cfg_pp"])
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_the_mean_is_exact_and_few_steps_are_sane(spec, name, steps):
    """A step along the noise of its middle may leave as much of it as it has, below a leap, and Heun's kin above it."""
    oracle, trajectory = Gaussian(), spaced(name, steps)
    mean, variance = moments_of(SAMPLERS.make(spec), oracle, trajectory)
    assert mean == pytest.approx(oracle.mean, abs=1e-9)
    top = float(trajectory.levels[0].ratio)
    most = 10.0 if spec.startswith("dpm2") else top if spec.startswith("restart") or "straight" in spec else 0.0
    assert variance**0.5 < (most if most and math.isfinite(top) else 4 * oracle.std)
    if steps == 1:
        guess = float(
            oracle(torch.ones((), dtype=torch.float64), trajectory.levels[0])
            - oracle(torch.zeros(()).double(), trajectory.levels[0])
        )
        assert variance == pytest.approx((guess * float(oracle.spread(trajectory.levels[0]))) ** 2, abs=1e-12)


@paths
@pytest.mark.parametrize("steps", [2, 7, 20])
@pytest.mark.parametrize(
    "spec", [*STOCHASTIC, "dpmpp_2m_sde:eta=1.4", "er_sde:form=ode", "restart:low=0.3,high=1,times=3"]
)
def test_data_of_no_spread_keep_every_marginal(spec, name, steps):
    """The guess is then exact, and what is drawn must make up for what is dropped: the noise of each level, exactly."""
    trajectory, first = spaced(name, steps), spaced(name, steps).levels[0]
    x = torch.zeros(1, 4 * steps + 8, dtype=torch.float64)
    x[0, 0] = first.sigma
    begin = State(first.alpha * 0.7 + x, first)
    for state in SAMPLERS.make(spec)(Gaussian(0.7, 0.0), begin, trajectory, Impulses()):
        found = state.x - state.level.alpha * 0.7
        assert float(found.square().sum()) == pytest.approx(float(state.level.sigma) ** 2, rel=1e-9, abs=1e-12)


@paths
@pytest.mark.parametrize("spec", SAME)
@pytest.mark.parametrize("steps", [1, 3, 12])
def test_special_cases_are_each_other(spec, name, steps):
    trajectory = spaced(name, steps)
    torch.testing.assert_close(ended(spec, trajectory), ended(SAME[spec], trajectory), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["rectified", "cosine", "exploding"])
def test_tcd_that_goes_all_the_way_down_is_lcm(name):
    """On a table it goes to the first row, and not to the data."""
    trajectory = spaced(name, 5)
    torch.testing.assert_close(ended("tcd:eta=1", trajectory), ended("lcm", trajectory), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["rectified", "exploding", "zero_terminal_snr"])
@pytest.mark.parametrize("spec", ODES)
def test_their_odes_draw_nothing(spec, name):
    def silence(x, step, purpose="step"):
        raise AssertionError("noise was drawn")

    assert ended(spec, spaced(name, 6), silence).isfinite().all()


@pytest.mark.parametrize(
    "name",
    [
        *("euler_ancestral:", "dpm2_ancestral:", "dpmpp_2s_ancestral:", "dpmpp_sde:", "dpmpp_2m_sde:", "dpmpp_3m_sde:"),
        *("er_sde:", "euler_cfg_pp:eta=1,"),
    ],
)
def test_s_noise_is_a_factor_on_what_is_drawn(name):
    """With a guess that knows the data, x is linear in it."""
    trajectory = Trajectory(
        tuple(level_at(SCHEDULES["rectified"], t) for t in (0.8, 0.6, 0.5)), SCHEDULES["rectified"], 1.0
    )
    ends = []
    for factor in (0, 1, 2):
        x = torch.ones(1, 3, dtype=torch.float64)
        states = SAMPLERS.make(f"{name}s_noise={factor}")(
            Gaussian(0.7, 0.0), State(x, trajectory.levels[0]), trajectory, Seeds((0,))
        )
        ends.append([*states][-1].x)
    torch.testing.assert_close(ends[2] - ends[0], 2 * (ends[1] - ends[0]))
    assert float((ends[1] - ends[0]).abs().min()) > 1e-3


@dataclass
class Unrelated:
    """Gives DPM++ SDE a second draw in a step that has nothing to do with the first."""

    trajectory: Trajectory
    inner: Impulses = field(default_factory=Impulses)

    def __call__(self, x: torch.Tensor, step: int, purpose: str = "step") -> torch.Tensor:
        drawn = self.inner(x, step, purpose)
        now, to = self.trajectory.levels[step : step + 2]
        if purpose == "middle" or float(now.alpha) == 0:
            return drawn
        rho = correlation(now, self.trajectory.at(float(now.log_snr + to.log_snr) / 2), to)
        return (drawn - rho * self.inner(x, step, "middle")) / (1 - rho**2).sqrt()


@paths
def test_one_path_for_both_draws_is_what_makes_dpmpp_sde_second_order(name):
    """With independent ones it is of first order, and no better than Euler ancestral at half the evaluations."""
    runs = [noisy(name, n) for n in (64, 128)]
    coarse, fine = (abs(off(DPMppSDE(), run, Unrelated(run))) for run in runs)
    assert order(coarse, fine) < 1.05
    assert fine > 10 * abs(off(DPMppSDE(), runs[1]))
    assert fine > 0.8 * abs(off(SAMPLERS.make("euler_ancestral"), runs[1]))


@paths
def test_restarts_forget_what_went_wrong_above(name):
    """A start of half the spread it should have: each round takes most of the error that is left."""

    def narrow(times: int) -> float:
        levels = tuple(level_of(SCHEDULES[name], 1.9 * 0.93**k) for k in range(60))
        x = torch.zeros(1, 4 * len(levels) + 8, dtype=torch.float64)
        x[0, 0] = 0.5 * Gaussian().spread(levels[0])
        way = Trajectory(levels, SCHEDULES[name], 1.0)
        *_, last = Restart(high=1.8, times=times)(Gaussian(0.0, 0.3), State(x, levels[0]), way, Impulses())
        return abs(float(last.x.square().sum()) / float(Gaussian().spread(levels[-1])) ** 2 - 1)

    left = [narrow(times) for times in (0, 1, 2)]
    assert left[1] < left[0] / 3 and left[2] < left[1] + 0.01


@pytest.mark.parametrize(("steps", "times", "calls"), [(1, 3, 1), (20, 0, 39), (20, 1, 55), (20, 2, 71)])
def test_restart_counts_its_evaluations(steps, times, calls):
    """Eight of the list's levels, the turning point among them, lie below 2: two evaluations each, in every round."""
    trajectory = Karras(low=0.03, high=14.6)(SCHEDULES["exploding"], steps)
    within = [v for v in trajectory.levels if 0.1 <= float(v.ratio) < 2.0]
    assert steps == 1 or len(within) == 8
    made, oracle = [], Gaussian()

    def counted(x, level):
        made.append(float(level.ratio))
        return oracle(x, level)

    states = list(
        Restart(times=times)(counted, State(torch.zeros(1, 2).double(), trajectory.levels[0]), trajectory, Seeds((0,)))
    )
    assert len(made) == calls and [s.step for s in states] == list(range(1, steps + 1))


def test_restart_refuses_rounds_without_end():
    for times in (-1, 101, 10**22):
        with pytest.raises(Refused, match="from 0 to 100"):
            Restart(times=times)


def test_restart_never_rises_above_where_the_run_began():
    """A picture noised to some strength keeps what that left of it."""
    trajectory = Karras(low=0.03, high=14.6)(SCHEDULES["exploding"], 20)
    seen, oracle, level = [], Gaussian(), trajectory.at(-2 * math.log(0.7))

    def watched(x, level):
        seen.append(float(level.ratio))
        return oracle(x, level)

    states = list(Restart(times=2)(watched, State(torch.zeros(1, 2).double(), level), trajectory, Seeds((0,))))
    assert max(seen) == pytest.approx(0.7) and seen.count(max(seen)) == 3
    again = list(Restart(times=2)(watched, states[1], trajectory, Seeds((0,))))
    assert torch.equal(again[-1].x, states[-1].x) and max(seen) == pytest.approx(0.7)


@pytest.mark.parametrize("form", ["extended", "sde", "ode"])
def test_er_sde_s_weights_are_the_authors_integrals(form):
    """Their sums over a step, s of 1 / phi and of (r - r_now) / phi, with many more terms than their 100."""
    phi = {
        "ode": lambda r: r,
        "sde": lambda r: r**2,
        "extended": lambda r: r * ((r**0.3).exp() + 10),
    }[form]
    schedule, seeds, oracle = SCHEDULES["scaled_linear"], Seeds((2,)), Mixture()
    levels = Exponential()(schedule, 7).levels[:-1]
    x = float(levels[0].sigma) * torch.linspace(-2, 2, 9, dtype=torch.float64)[None]
    *_, last = ERSDE(form=form)(oracle, State(x, levels[0]), Trajectory(levels, schedule, 1.0), seeds)
    y, guesses, slopes, ratios = x / levels[0].alpha, [], [], [level.ratio for level in levels]
    for i, (now, to) in enumerate(pairwise(levels)):
        r, s = now.ratio, to.ratio
        guesses.append(oracle(now.alpha * y, now))
        kept = phi(s) / phi(r)
        points = s + (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000 * (r - s)
        fresh = (s**2 - (r * kept) ** 2).clamp(min=0).sqrt() * seeds(y, i) if form != "ode" else 0
        y = kept * y + (1 - kept) * guesses[i] + fresh
        if i > 0:
            slopes.append((guesses[i] - guesses[i - 1]) / (r - ratios[i - 1]))
            y = y + (s - r + phi(s) * (1 / phi(points)).mean() * (r - s)) * slopes[-1]
        if i > 1:
            bend = 2 * (slopes[-1] - slopes[-2]) / (r - ratios[i - 2])
            y = y + ((s - r) ** 2 / 2 + phi(s) * ((points - r) / phi(points)).mean() * (r - s)) * bend
    torch.testing.assert_close(last.x, levels[-1].alpha * y, rtol=1e-6, atol=1e-6)


def test_sa_solver_draws_within_its_range_of_noise():
    """By the level at which a step begins, from 50 down to 0.05 unless told otherwise; elsewhere it is the ODE."""
    ratios, drawn = (60.0, 51.0, 49.0, 1.0, 0.051, 0.049, 0.01, 0.005), []
    levels = tuple(level_of(SCHEDULES["exploding"], ratio) for ratio in ratios)

    def noted(x, step, purpose="step"):
        drawn.append(ratios[step])
        return torch.zeros_like(x)

    list(
        SAMPLERS.make("sa_solver")(
            Gaussian(),
            State(torch.ones(1, 2).double(), levels[0]),
            Trajectory(levels, SCHEDULES["exploding"], 1.0),
            noted,
        )
    )
    assert drawn == [49.0, 1.0, 0.051]


@pytest.mark.parametrize(
    "spec",
    [
        "er_sde:order=4",
        "er_sde:order=0",
        "sa_solver:predictor=0",
        "sa_solver:corrector=5",
        "restart:low=3",
        "restart:times=-1",
        "restart:low=0",
    ],
)
def test_options_that_mean_nothing_are_refused(spec):
    with pytest.raises(Refused) as refusal:
        SAMPLERS.make(spec)
    assert refusal.value.field == "sampler" and refusal.value.remedy


@pytest.mark.parametrize(
    "spec", ["ddim", "euler_cfg_pp", "dpmpp_3m_sde:eta=0", *(spec for spec in ODES if "eta=0" in spec)]
)
def test_what_draws_nothing_asks_for_no_noise(spec):
    def draw(x: torch.Tensor, step: int, purpose: str = "step") -> torch.Tensor:
        raise AssertionError("noise was asked for")

    assert ended(spec, noisy("rectified", 16), draw).isfinite().all()


def test_er_sde_s_extended_weight_stays_finite_where_its_exponential_would_not():
    sampler = ERSDE(form="extended")
    assert sampler._relative(1e3) == pytest.approx(math.exp(1e3**0.3) + 10)
    assert math.isfinite(sampler._relative(1e12)) and math.isinf(sampler._relative(math.inf))


def test_restart_s_data_is_the_guess_of_its_last_step_down():
    trajectory = noisy("rectified", 8)
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)[None]
    ends = [
        [*SAMPLERS.make(spec)(Mixture(), State(x, trajectory.levels[0]), trajectory, Seeds((4,)))]
        for spec in ("heun", "restart:times=0")
    ]
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one.data, other.data)
