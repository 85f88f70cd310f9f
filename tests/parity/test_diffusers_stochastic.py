"""diffusers' stochastic and distilled schedulers, live, on the exact denoiser of a mixture: the same numbers.

LCM and TCD take their coefficients from `alphas_cumprod`, SA-Solver from `sigmas`: where float64 ones are put in, they
agree to 1e-9. The others cast to float32 and agree to 2e-4. All draw once a step, in order, from one generator.

Each habit of theirs that is not ours is named where it is switched off:

- `lower_order_final`: below 15 steps DPM-Solver's last steps, and SA-Solver's always, are of lower order;
- timesteps cut to whole numbers after the sigmas were laid out (`Network.told`).

One is wrong: the third order of `sde-dpmsolver++` has a sign that makes it first order. The test beside it shows how.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType

import pytest
import torch

from oracles import Mixture
from unnoise.core.clock import Rows
from unnoise.core.level import Level
from unnoise.core.noise import Noise
from unnoise.core.prediction import PREDICTIONS
from unnoise.core.sampler import Sampler
from unnoise.core.schedule import Betas, Schedule
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory, level_at
from unnoise.samplers.dpm2_ancestral import DPM2Ancestral
from unnoise.samplers.dpmpp_2m_sde import DPMpp2MSDE
from unnoise.samplers.dpmpp_3m_sde import DPMpp3MSDE
from unnoise.samplers.dpmpp_sde import DPMppSDE, correlation
from unnoise.samplers.lcm import LCM
from unnoise.samplers.sa_solver import SASolver
from unnoise.samplers.tcd import TCD
from unnoise.spacings.exponential import Exponential
from unnoise.spacings.leading import Leading
from unnoise.spacings.linspace import Linspace
from unnoise.spacings.listed import Listed
from unnoise.spacings.trailing import Trailing

TABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}
STABLE = Betas()
KINDS = {"epsilon": "epsilon", "v_prediction": "v"}
SHAPE = (2, 3, 4, 4)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own


@pytest.fixture(scope="module")
def peer() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of optional packages
        return pytest.importorskip("diffusers", reason="diffusers, the peer compared with, is not installed")


@dataclass(frozen=True)
class Drawn:
    """The k-th draw of one generator for step k, whether or not the steps before made use of theirs."""

    dtype: torch.dtype = torch.float64

    def __call__(self, x: torch.Tensor, step: int, purpose: str = "step") -> torch.Tensor:
        generator = torch.Generator().manual_seed(7)
        for _ in range(step):
            torch.randn(x.shape, generator=generator, dtype=self.dtype)
        return torch.randn(x.shape, generator=generator, dtype=self.dtype).to(x)


@dataclass(frozen=True)
class Network:
    """What a perfect network gives for x at a row of the table, which may be told as a whole number."""

    kind: str = "epsilon"
    schedule: Schedule = STABLE
    told: Callable[[float], float] = float

    def __call__(self, x: torch.Tensor, row: float) -> torch.Tensor:
        level = level_at(self.schedule, (self.told(row) + 1) / 1000)
        wide = x.double()
        return PREDICTIONS[KINDS[self.kind]]()(level).target(wide, Mixture()(wide, level)).to(x.dtype)

    def denoise(self, x: torch.Tensor, level: Level) -> torch.Tensor:
        return PREDICTIONS[KINDS[self.kind]]()(level).data(x, self(x, float(Rows()(level))))


def start(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def ours(sampler: Sampler, network: Network, trajectory: Trajectory, noise: Noise, scale: float) -> torch.Tensor:
    *_, last = sampler(network.denoise, State(scale * start(), trajectory.levels[0]), trajectory, noise)
    return last.x


def theirs(scheduler, steps: int, network: Network, dtype: torch.dtype, **options) -> torch.Tensor:
    """A pipeline's loop, with float64 tables: only the network sees the scaled x."""
    scheduler.alphas_cumprod = STABLE(torch.arange(1, 1001, dtype=torch.float64) / 1000).alpha ** 2
    scheduler.set_timesteps(steps)
    if "sigmas" in options:
        scheduler.sigmas = torch.stack([level.ratio for level in options.pop("sigmas")])
    x = start(dtype) * scheduler.init_noise_sigma
    draw = torch.Generator().manual_seed(7)
    for t in scheduler.timesteps.tolist():  # plain numbers, of which LCM's scalings come out in float64
        output = network(scheduler.scale_model_input(x, t), float(t))
        x = scheduler.step(output, t, x, generator=draw, **options).prev_sample
    return x.double()


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def distilled(scheduler, steps: int, end: float = 0.0) -> Trajectory:
    """The rows that LCM and TCD choose among the 50 of their training."""
    scheduler.set_timesteps(steps)
    rows = [float(t) for t in scheduler.timesteps]
    levels = [level_at(STABLE, t) for t in [*((r + 1) / 1000 for r in rows), end]]
    return Trajectory(tuple(levels), STABLE, 1.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 4, 8, 25])
def test_lcm(peer, steps, kind):
    scheduler = peer.LCMScheduler(**TABLE, prediction_type=kind)
    trajectory = distilled(scheduler, steps)
    close(
        ours(LCM(), Network(kind), trajectory, Drawn(), 1.0),
        theirs(scheduler, steps, Network(kind), torch.float64),
        1e-9,
    )


@pytest.mark.parametrize("scaling", [0.01, 1.0])
def test_lcm_s_boundary_matters_where_its_constant_is_small(peer, scaling):
    scheduler = peer.LCMScheduler(**TABLE, timestep_scaling=scaling)
    trajectory = distilled(scheduler, 8)
    expected = theirs(scheduler, 8, Network(), torch.float64)
    close(ours(LCM(scaling), Network(), trajectory, Drawn(), 1.0), expected, 1e-9)
    bare = ours(LCM(0), Network(), trajectory, Drawn(), 1.0)
    assert (float((bare - expected).abs().max()) > 1e-2) == (scaling < 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 4, 8, 25])
@pytest.mark.parametrize("eta", [0.0, 0.3, 0.7, 1.0])
def test_tcd(peer, steps, kind, eta):
    """It ends at row 0, and draws nothing there: nothing lies below that to come back from."""
    scheduler = peer.TCDScheduler(**TABLE, prediction_type=kind)
    trajectory = distilled(scheduler, steps, end=1 / 1000)
    expected = theirs(scheduler, steps, Network(kind), torch.float64, eta=eta)
    close(ours(TCD(eta), Network(kind), trajectory, Drawn(), 1.0), expected, 1e-9)


WHOLE = {
    "leading": ({"timestep_spacing": "leading", "steps_offset": 1}, Leading(1, "unit")),
    "trailing": ({"timestep_spacing": "trailing"}, Trailing()),
}


@pytest.mark.parametrize("steps", [2, 10, 25])
@pytest.mark.parametrize("name", WHOLE)
def test_dpm2_ancestral(peer, name, steps):
    options, spacing = WHOLE[name]
    scheduler = peer.KDPM2AncestralDiscreteScheduler(**TABLE, **options)
    expected = theirs(scheduler, steps, Network(), torch.float32)
    levels = spacing(STABLE, steps).levels
    top = float(levels[0].alpha) * float(scheduler.init_noise_sigma)  # theirs is x / alpha
    found = ours(DPM2Ancestral(), Network(), Trajectory(levels, STABLE, 1.0), Drawn(torch.float32), top)
    close(found, expected, 2e-4)


MULTISTEP = {
    "linspace": ({"timestep_spacing": "linspace"}, Linspace(True, "unit", extra=1)),
    "leading": ({"timestep_spacing": "leading", "steps_offset": 1}, Leading(1, "unit", extra=1)),
    "trailing": ({"timestep_spacing": "trailing"}, Trailing("unit")),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 4, 20])
@pytest.mark.parametrize("name", MULTISTEP)
@pytest.mark.parametrize("solver", ["midpoint", "heun"])
def test_dpmpp_2m_sde(peer, solver, name, steps, kind):
    options, spacing = MULTISTEP[name]
    common = {"algorithm_type": "sde-dpmsolver++", "lower_order_final": False, "prediction_type": kind}
    scheduler = peer.DPMSolverMultistepScheduler(**TABLE, **options, **common, solver_type=solver)
    expected = theirs(scheduler, steps, Network(kind), torch.float32)
    sampler = DPMpp2MSDE(solver_type=solver)
    close(ours(sampler, Network(kind), spacing(STABLE, steps), Drawn(torch.float32), 1.0), expected, 2e-4)


def square(level: Level) -> torch.Tensor:
    """A data guess that is the square of log(alpha / sigma), whatever x is."""
    return (level.log_snr / 2) ** 2


def solved(trajectory: Trajectory) -> torch.Tensor:
    """The stochastic equation's exact solution for that guess: over a step, the mean of l² with weight exp(2 l)."""
    x = start()
    for step, (now, to) in enumerate(pairwise(trajectory.levels)):
        a, b = now.log_snr / 2, to.log_snr / 2
        kept = (a - b).exp()
        whole = (b**2 - b + 0.5) - kept**2 * (a**2 - a + 0.5)
        drawn = Drawn(torch.float32)(x, step)
        x = to.sigma / now.sigma * kept * x + to.alpha * whole + to.sigma * (1 - kept**2).sqrt() * drawn
    return x


@pytest.mark.parametrize("order", [2, 3])
def test_the_third_order_of_their_multistep_sde_is_first_order(peer, order):
    """The curvature's weight has a wrong sign in it.

    With H = 2h and A = (exp(-H) - 1 + H) / H², which tends to 1/2, the weight is 1/2 - A, of order H; so it stands in
    diffusers' third order without noise. With noise it is -1/2 - A, which tends to -1. The curvature is of order H², so
    a step errs by H² and a run by H. Here the guess is quadratic in log(alpha / sigma), the exact solution is known,
    and both have the same draws.
    """
    options = {"algorithm_type": "sde-dpmsolver++", "solver_type": "heun", "final_sigmas_type": "sigma_min"}
    found, own = [], []
    for steps in (80, 160):
        levels = Exponential()(STABLE, steps + 1).levels[:-1]
        trajectory = Trajectory(levels, STABLE, 1.0)
        scheduler = peer.DPMSolverMultistepScheduler(**TABLE, **options, solver_order=order, lower_order_final=False)
        scheduler.set_timesteps(steps)
        scheduler.sigmas, x = torch.stack([v.ratio for v in levels]).float(), start(torch.float32)
        draw = torch.Generator().manual_seed(7)
        for t, level in zip(scheduler.timesteps, levels[:-1], strict=True):
            output = PREDICTIONS["epsilon"]()(level).target(x.double(), square(level)).float()
            x = scheduler.step(output, t, x, generator=draw).prev_sample
        exact = solved(trajectory)
        found.append(float((x.double() - exact).abs().mean()))
        mine = DPMpp3MSDE() if order == 3 else DPMpp2MSDE(solver_type="heun")
        *_, last = mine(
            lambda x, level: square(level).expand_as(x), State(start(), levels[0]), trajectory, Drawn(torch.float32)
        )
        own.append(float((last.x - exact).abs().mean()))
    assert math.log2(own[0] / own[1]) > 1.8
    assert (math.log2(found[0] / found[1]) < 1.2) == (order == 3)
    assert (found[1] > 10 * own[1]) == (order == 3)


@dataclass(frozen=True)
class Unrelated:
    """diffusers' draws for DPM++ SDE: two a step, where ours takes the second as rho first + sqrt(1 - rho²) rest."""

    trajectory: Trajectory

    def __call__(self, x: torch.Tensor, step: int, purpose: str = "step") -> torch.Tensor:
        first, second = (Drawn(torch.float32)(x, k) for k in (2 * step, 2 * step + 1))
        if purpose == "middle":
            return first
        now, to = self.trajectory.levels[step : step + 2]
        rho = correlation(now, self.trajectory.at(float(now.log_snr + to.log_snr) / 2), to)
        return (second - rho * first) / (1 - rho**2).sqrt()


@pytest.mark.parametrize("steps", [6, 20])
def test_dpmpp_singlestep_sde(peer, steps):
    """Two of its steps are one of ours, with the middle where two equal steps in log SNR meet; up to its last two."""
    common = {"algorithm_type": "sde-dpmsolver++", "solver_order": 2, "final_sigmas_type": "zero"}
    scheduler = peer.DPMSolverSinglestepScheduler(**TABLE, **common, use_exponential_sigmas=True)
    scheduler.set_timesteps(steps)
    network, x = Network(told=math.floor), start(torch.float32)
    draw = torch.Generator().manual_seed(7)
    for t in scheduler.timesteps[:-2]:
        x = scheduler.step(network(x, float(t)), t, x, generator=draw).prev_sample
    levels = Exponential()(STABLE, steps).levels
    trajectory = Trajectory(levels[: steps - 1 : 2], STABLE, 1.0)
    close(ours(DPMppSDE(), network, trajectory, Unrelated(trajectory), 1.0), x.double(), 2e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [2, 10, 30])
@pytest.mark.parametrize(("predictor", "corrector"), [(1, 1), (2, 2), (3, 3), (3, 2), (2, 4)])
def test_sa_solver(peer, steps, kind, predictor, corrector):
    """Stochastic from row 800 to row 200, and to row 0 at the end. It draws at every step, and we where we add it."""
    common = {"lower_order_final": False, "timestep_spacing": "linspace", "prediction_type": kind}
    scheduler = peer.SASolverScheduler(**TABLE, **common, predictor_order=predictor, corrector_order=corrector)
    trajectory = Linspace(True, "unit", "row", extra=1)(STABLE, steps)
    expected = theirs(scheduler, steps, Network(kind), torch.float64, sigmas=trajectory.levels)
    low, high = (float(level_at(STABLE, row / 1000).ratio) for row in (200.5, 801.5))
    sampler = SASolver(predictor, corrector, low=low, high=high, slope="straight")
    close(ours(sampler, Network(kind), trajectory, Drawn(), 1.0), expected, 1e-9)


def test_another_slope_is_another_number(peer):
    """What `slope` switches is more than rounding."""
    trajectory = Listed(sigmas=(14.0, 5.0, 2.0, 0.8, 0.3, 0.1))(STABLE, 6)
    ends = [ours(SASolver(slope=s), Network(), trajectory, Drawn(), 1.0) for s in ("exponential", "straight")]
    assert float((ends[0] - ends[1]).abs().max()) > 1e-2
