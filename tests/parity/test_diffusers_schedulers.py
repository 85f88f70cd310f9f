"""diffusers' schedulers, live, on the exact denoiser of a mixture: the same numbers, where they are right.

A scheduler's tables are float32. Where they can be replaced (`alphas_cumprod`), float64 ones are put in, and the two
agree to 1e-9; Euler, Heun, DPM-Solver and flow matching cast to float32 and agree to 2e-4. The last test shows where
diffusers steps to one timestep and then asks the network about another.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from types import ModuleType

import pytest
import torch

from oracles import Gaussian, Mixture
from unnoise.core.clock import Rows
from unnoise.core.level import Level
from unnoise.core.noise import Noise
from unnoise.core.prediction import PREDICTIONS
from unnoise.core.sampler import Sampler
from unnoise.core.schedule import Betas, Rectified, Schedule
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory, level_at
from unnoise.samplers.ddim import DDIM
from unnoise.samplers.ddpm import DDPM
from unnoise.samplers.dpmpp_2m import DPMpp2M
from unnoise.samplers.euler import Euler
from unnoise.samplers.euler_ancestral import EulerAncestral
from unnoise.samplers.heun import Heun
from unnoise.spacings.karras import Karras
from unnoise.spacings.leading import Leading
from unnoise.spacings.linspace import Linspace
from unnoise.spacings.shifted import Shifted
from unnoise.spacings.trailing import Trailing

TABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}
STABLE = Betas(between="sigma")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own
KINDS = {"epsilon": "epsilon", "v_prediction": "v"}
SHAPE = (2, 3, 4, 4)


@pytest.fixture(scope="module")
def peer() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of optional packages
        return pytest.importorskip("diffusers", reason="diffusers, the peer compared with, is not installed")


@dataclass
class Running:
    """Noise from one generator in the order in which steps ask for it, as a pipeline draws it."""

    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(7))

    def __call__(self, x: torch.Tensor, step: int, purpose: str = "step") -> torch.Tensor:
        return torch.randn(x.shape, generator=self.generator, dtype=x.dtype)


@dataclass(frozen=True)
class Network:
    """What a perfect network gives for x at a row of the table."""

    kind: str = "epsilon"
    schedule: Schedule = STABLE
    rounded: bool = False

    def __call__(self, x: torch.Tensor, row: float) -> torch.Tensor:
        level = level_at(self.schedule, (round(row) if self.rounded else row) / 1000 + 1 / 1000)
        wide = x.double()
        return PREDICTIONS[KINDS[self.kind]]()(level).target(wide, Mixture()(wide, level)).to(x.dtype)

    def denoise(self, x: torch.Tensor, level: Level) -> torch.Tensor:
        return PREDICTIONS[KINDS[self.kind]]()(level).data(x, self(x, float(Rows()(level))))


def start(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def ours(sampler: Sampler, network: Network, trajectory: Trajectory, noise: Noise | None = None) -> torch.Tensor:
    x = trajectory.start * start()
    *_, last = sampler(network.denoise, State(x, trajectory.levels[0]), trajectory, noise or Running())
    return last.x


def theirs(scheduler, steps: int, network: Callable, dtype: torch.dtype = torch.float64, **options) -> torch.Tensor:
    """A pipeline's loop: only the network sees the scaled x."""
    if hasattr(scheduler, "alphas_cumprod"):
        scheduler.alphas_cumprod = STABLE(torch.arange(1, 1001, dtype=torch.float64) / 1000).alpha ** 2
        scheduler.final_alpha_cumprod = (
            scheduler.alphas_cumprod[0] if options.pop("to_row", False) else torch.tensor(1.0)
        )
    scheduler.set_timesteps(steps)
    x = start(dtype) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        output = network(scheduler.scale_model_input(x, t), float(t))
        x = scheduler.step(output, t, x, **options).prev_sample
    return x.double()


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


SPACED = {
    "leading": ({"timestep_spacing": "leading"}, Leading(0, "unit")),
    "leading 1": ({"timestep_spacing": "leading", "steps_offset": 1}, Leading(1, "unit")),
    "trailing": ({"timestep_spacing": "trailing"}, Trailing("unit")),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 5, 20, 50])
@pytest.mark.parametrize("name", SPACED)
@pytest.mark.parametrize("eta", [0.0, 0.7])
def test_ddim(peer, name, steps, kind, eta):
    options, spacing = SPACED[name]
    scheduler = peer.DDIMScheduler(**TABLE, **options, clip_sample=False, prediction_type=kind)
    draw = torch.Generator().manual_seed(7)
    expected = theirs(scheduler, steps, Network(kind), eta=eta, generator=draw)
    close(ours(DDIM(eta), Network(kind), spacing(STABLE, steps)), expected, 1e-9)


@pytest.mark.parametrize("offset", [0, 1])
def test_ddim_to_row_0_as_stable_diffusion_runs_it(peer, offset):
    """With offset 0 diffusers takes a last step from row 0 to row 0, which changes nothing; we leave it out."""
    scheduler = peer.DDIMScheduler(**TABLE, clip_sample=False, set_alpha_to_one=False, steps_offset=offset)
    expected = theirs(scheduler, 20, Network(), to_row=True)
    trajectory = Leading(offset, "unit", "row")(STABLE, 20)
    assert trajectory.steps == 20 - (offset == 0)
    close(ours(DDIM(), Network(), trajectory), expected, 1e-9)


@pytest.mark.parametrize("steps", [1, 10, 40])
@pytest.mark.parametrize("variance", ["small", "large"])
def test_ddpm(peer, variance, steps):
    scheduler = peer.DDPMScheduler(**TABLE, clip_sample=False, variance_type=f"fixed_{variance}")
    expected = theirs(scheduler, steps, Network(), generator=torch.Generator().manual_seed(7))
    close(ours(DDPM(variance), Network(), Leading(0, "unit")(STABLE, steps)), expected, 1e-9)


EXPLODING = {
    "linspace": ({"timestep_spacing": "linspace"}, Linspace()),
    "leading": ({"timestep_spacing": "leading", "steps_offset": 1}, Leading(1, "unit")),
    "trailing": ({"timestep_spacing": "trailing"}, Trailing()),
}
KARRAS = {"karras": ({"use_karras_sigmas": True, "timestep_spacing": "linspace"}, Karras())}


@pytest.mark.parametrize("steps", [2, 10, 25])
@pytest.mark.parametrize("name", EXPLODING | KARRAS)
@pytest.mark.parametrize("method", ["Euler", "Heun"])
def test_euler_and_heun(peer, method, name, steps):
    options, spacing = (EXPLODING | KARRAS)[name]
    sampler = {"Euler": Euler(), "Heun": Heun("ratio")}[method]
    scheduler = getattr(peer, f"{method}DiscreteScheduler")(**TABLE, **options)
    schedule = Betas() if name == "karras" else STABLE  # Karras' sigmas find their timesteps by the logarithm
    network = Network(schedule=schedule)
    close(ours(sampler, network, spacing(schedule, steps)), theirs(scheduler, steps, network, torch.float32), 2e-4)


@pytest.mark.parametrize("steps", [2, 10, 25])
@pytest.mark.parametrize("name", EXPLODING)
def test_euler_ancestral(peer, name, steps):
    options, spacing = EXPLODING[name]
    scheduler = peer.EulerAncestralDiscreteScheduler(**TABLE, **options)
    draw = torch.Generator().manual_seed(7)
    expected = theirs(scheduler, steps, Network(), torch.float32, generator=draw)

    drawn = Running()

    def noise(x: torch.Tensor, step: int, purpose: str = "step") -> torch.Tensor:
        return drawn(x.float(), step).double()

    close(ours(EulerAncestral(), Network(), spacing(STABLE, steps), noise), expected, 2e-4)


MULTISTEP = {
    "linspace": ({"timestep_spacing": "linspace"}, Linspace(True, "unit", extra=1)),
    "leading": ({"timestep_spacing": "leading", "steps_offset": 1}, Leading(1, "unit", extra=1)),
    "trailing": ({"timestep_spacing": "trailing"}, Trailing("unit")),
    "karras": ({"use_karras_sigmas": True}, Karras()),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 4, 10, 20])
@pytest.mark.parametrize("name", MULTISTEP)
def test_dpmpp_2m(peer, name, steps, kind):
    """To the clean level, where both take a first-order step. With Karras it asks the network about rounded rows."""
    options, spacing = MULTISTEP[name]
    scheduler = peer.DPMSolverMultistepScheduler(**TABLE, **options, prediction_type=kind)
    schedule = Betas() if name == "karras" else STABLE
    trajectory = spacing(schedule, steps)
    unit = Trajectory(trajectory.levels, schedule, 1.0)  # it always begins at unit variance
    network = Network(kind, schedule, rounded=name == "karras")
    close(ours(DPMpp2M(), network, unit), theirs(scheduler, steps, network), 2e-4)


@pytest.mark.parametrize(("steps", "lower"), [(20, True), (8, False), (8, True)])
def test_dpmpp_2m_to_row_0(peer, steps, lower):
    """Ending at the least sigma, the last step is of second order; below 15 steps `lower_order_final` makes it Euler's.

    A first-order step is one with an empty memory, which is how the last case is run here.
    """
    options = {"final_sigmas_type": "sigma_min", "timestep_spacing": "linspace", "lower_order_final": lower}
    expected = theirs(peer.DPMSolverMultistepScheduler(**TABLE, **options), steps, Network())
    trajectory = Linspace(True, "unit", "row", extra=1)(STABLE, steps)
    states = list(DPMpp2M()(Network().denoise, State(start(), trajectory.levels[0]), trajectory, Running()))
    found = states[-1]
    if lower and steps < 15:
        before = State(states[-2].x, states[-2].level, states[-2].step)
        (found,) = DPMpp2M()(Network().denoise, before, trajectory, Running())
        assert float((found.x - states[-1].x).abs().max()) > 1e-3
    close(found.x, expected, 2e-4)


@pytest.mark.parametrize("steps", [2, 10, 28])
@pytest.mark.parametrize(("shift", "low"), [(1.0, 1e-3), (3.0, 3e-3 / 1.002)])
def test_flow_matching(peer, shift, low, steps):
    """Its least sigma of 0.001 is shifted when the scheduler is made and again when steps are set."""
    scheduler = peer.FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(steps)
    x = start(torch.float32)
    for t in scheduler.timesteps:
        level = level_at(Rectified(), float(t) / 1000)
        flow = PREDICTIONS["flow"]()(level).target(x.double(), Mixture()(x.double(), level)).float()
        x = scheduler.step(flow, t, x).prev_sample
    trajectory = Shifted(shift, low)(Rectified(), steps)
    *_, last = Euler()(Mixture(), State(start(), trajectory.levels[0]), trajectory, Running())
    close(last.x, x.double(), 2e-4)


@pytest.mark.parametrize(("spacing", "steps", "excess"), [("trailing", 30, 1.002), ("linspace", 10, 1.15)])
def test_ddim_steps_past_the_next_timestep(peer, spacing, steps, excess):
    """diffusers' DDIM steps from t to t - 1000 // steps, whatever the next timestep is.

    With `trailing` and 30 steps it visits 999, 966, 932, ...: from 966 it steps to 933 and then asks the network about
    932. With `linspace` and 10 steps it visits 999, 888, 777, ... and steps to 899, 788, ...: 11 rows short. Where all
    data is 0, x is sigma(t) times the starting noise at every timestep of an exact run, and any Euler step is exact.
    Ours is; theirs has more noise than the network is told at every step, and the more, the longer it runs.
    """
    scheduler = peer.DDIMScheduler(**TABLE, timestep_spacing=spacing, clip_sample=False)
    told: list[float] = []

    def network(x: torch.Tensor, row: float) -> torch.Tensor:
        sigma = level_at(STABLE, (row + 1) / 1000).sigma
        told.append(float((x / sigma / start()).mean()))
        return x / sigma

    theirs(scheduler, steps, network)
    laid = (Trailing("unit") if spacing == "trailing" else Linspace(True, "unit"))(STABLE, steps)
    assert [round(float(v.t) * 1000) - 1 for v in laid.levels[:-1]] == scheduler.timesteps.tolist()
    nothing = State(float(laid.levels[0].sigma) * start(), laid.levels[0])
    states = list(Euler()(Gaussian(0.0, 0.0), nothing, laid, Running()))[:-1]
    held = [float((s.x / s.level.sigma / start()).mean()) for s in states]
    assert held == pytest.approx([1.0] * (steps - 1), abs=1e-9)
    assert told[0] == pytest.approx(1 / float(laid.levels[0].sigma)) and told[-1] / told[0] > excess
    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(told))
