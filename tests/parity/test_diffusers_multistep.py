"""diffusers' KDPM2, LMS, PNDM, UniPC, DEIS, IPNDM and DDIMInverse, live, on the exact denoiser of a mixture.

As in `test_diffusers_schedulers`: a scheduler's float32 tables are put in as float64, and the two agree to 1e-9; KDPM2
and LMS cast all they do to float32 and agree to 2e-4.
"""

import math
import warnings
from dataclasses import dataclass
from types import ModuleType

import pytest
import torch

from oracles import Mixture
from unnoise.core.clock import Rows
from unnoise.core.level import Level
from unnoise.core.noise import Seeds
from unnoise.core.prediction import PREDICTIONS
from unnoise.core.sampler import Sampler
from unnoise.core.schedule import Betas, Cosine, Schedule
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory, level_at
from unnoise.samplers.ddim_inverse import DDIMInverse
from unnoise.samplers.deis import DEIS
from unnoise.samplers.dpm2 import DPM2
from unnoise.samplers.ipndm import IPNDM
from unnoise.samplers.lms import LMS
from unnoise.samplers.pndm import PNDM
from unnoise.samplers.unipc import UniPC
from unnoise.spacings.karras import Karras
from unnoise.spacings.leading import Leading
from unnoise.spacings.linspace import Linspace
from unnoise.spacings.trailing import Trailing

TABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}
STABLE = Betas(between="sigma")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own
KINDS = {"epsilon": "epsilon", "v_prediction": "v"}
NOISE = Seeds(())


@pytest.fixture(scope="module")
def peer() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of optional packages
        return pytest.importorskip("diffusers", reason="diffusers, the peer compared with, is not installed")


@dataclass(frozen=True)
class Network:
    """What a perfect network gives for x at a row of the table."""

    kind: str = "epsilon"
    schedule: Schedule = STABLE

    def __call__(self, x: torch.Tensor, row: float) -> torch.Tensor:
        level = level_at(self.schedule, (row + 1) / 1000)
        wide = x.double()
        return PREDICTIONS[KINDS[self.kind]]()(level).target(wide, Mixture()(wide, level)).to(x.dtype)

    def denoise(self, x: torch.Tensor, level: Level) -> torch.Tensor:
        return PREDICTIONS[KINDS[self.kind]]()(level).data(x, self(x, float(Rows()(level))))


def start(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def ours(sampler: Sampler, network: Network, trajectory: Trajectory) -> torch.Tensor:
    begun = State(trajectory.start * start(), trajectory.levels[0])
    *_, last = sampler(network.denoise, begun, trajectory, NOISE)
    return last.x


def theirs(scheduler, steps: int, network: Network, dtype: torch.dtype = torch.float64, **options) -> torch.Tensor:
    """A pipeline's loop: only the network sees the scaled x."""
    scheduler.alphas_cumprod = STABLE(torch.arange(1, 1001, dtype=torch.float64) / 1000).alpha ** 2
    scheduler.final_alpha_cumprod = scheduler.alphas_cumprod[0] if options.pop("to_row", False) else torch.tensor(1.0)
    scheduler.set_timesteps(steps)
    if dtype == torch.float64 and hasattr(scheduler, "sigmas"):
        rows = [level_at(STABLE, (float(t) + 1) / 1000).ratio for t in scheduler.timesteps]
        last = 0.0 if scheduler.sigmas[-1] == 0 else level_at(STABLE, 1e-3).ratio
        scheduler.sigmas = torch.tensor([*rows, last], dtype=torch.float64)
    x = start(dtype) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        output = network(scheduler.scale_model_input(x, t), float(t))
        x = scheduler.step(output, t, x, **options).prev_sample
    return x.double()


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


EXPLODING = {
    "leading": ({"timestep_spacing": "leading", "steps_offset": 1}, Leading(1, "unit")),
    "trailing": ({"timestep_spacing": "trailing"}, Trailing()),
}
MULTISTEP = {
    "linspace": ({"timestep_spacing": "linspace"}, Linspace(True, "unit", extra=1)),
    "leading": ({"timestep_spacing": "leading", "steps_offset": 1}, Leading(1, "unit", extra=1)),
    "trailing": ({"timestep_spacing": "trailing"}, Trailing("unit")),
}


@pytest.mark.parametrize("steps", [5, 10, 25])
@pytest.mark.parametrize("name", EXPLODING)
def test_kdpm2(peer, name, steps):
    """Its middles lie between rows, in the logarithm of sigma; its own rows are whole, where both readings agree."""
    options, spacing = EXPLODING[name]
    network = Network(schedule=Betas())
    expected = theirs(peer.KDPM2DiscreteScheduler(**TABLE, **options), steps, network, torch.float32)
    close(ours(DPM2(), network, spacing(Betas(), steps)), expected, 2e-4)


@pytest.mark.parametrize("steps", [2, 10, 25])
@pytest.mark.parametrize("name", [*EXPLODING, "linspace", "karras"])
def test_lms(peer, name, steps):
    """Whose coefficients are integrated numerically, to 1e-4, which a cubic does not notice."""
    options, spacing = (EXPLODING | {"linspace": ({}, Linspace()), "karras": ({"use_karras_sigmas": True}, Karras())})[
        name
    ]
    schedule = Betas() if name == "karras" else STABLE
    network = Network(schedule=schedule)
    expected = theirs(peer.LMSDiscreteScheduler(**TABLE, **options), steps, network, torch.float32)
    close(ours(LMS(), network, spacing(schedule, steps)), expected, 2e-4)


@pytest.mark.parametrize("steps", [4, 10, 20, 50])
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("prk", [True, False])
def test_pndm_as_stable_diffusion_runs_it(peer, prk, offset, steps):
    """To row 0; with offset 0 its last step from there goes nowhere, and ours leaves it out."""
    options = {"skip_prk_steps": not prk, "steps_offset": offset, "set_alpha_to_one": False}
    expected = theirs(peer.PNDMScheduler(**TABLE, **options), steps, Network(), to_row=True)
    close(ours(PNDM(prk), Network(), Leading(offset, "unit", "row")(STABLE, steps)), expected, 1e-9)


@pytest.mark.parametrize("steps", [10, 25])
@pytest.mark.parametrize("prk", [True, False])
def test_pndm_to_the_clean_level(peer, prk, steps):
    options = {"skip_prk_steps": not prk, "set_alpha_to_one": True}
    expected = theirs(peer.PNDMScheduler(**TABLE, **options), steps, Network())
    close(ours(PNDM(prk), Network(), Leading(0, "unit")(STABLE, steps)), expected, 1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 2, 4, 10, 20])
@pytest.mark.parametrize("name", MULTISTEP)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_unipc(peer, order, name, steps, kind):
    options, spacing = MULTISTEP[name]
    scheduler = peer.UniPCMultistepScheduler(**TABLE, **options, prediction_type=kind, solver_order=order)
    trajectory = Trajectory(spacing(STABLE, steps).levels, STABLE, 1.0)
    close(ours(UniPC(order), Network(kind), trajectory), theirs(scheduler, steps, Network(kind)), 1e-9)


@pytest.mark.parametrize("variant", ["bh1", "bh2"])
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_unipc_to_row_0(peer, order, lower, variant):
    """Where the last step need not be Euler's, and is only if its order is lowered."""
    options = {"final_sigmas_type": "sigma_min", "timestep_spacing": "linspace", "lower_order_final": lower}
    scheduler = peer.UniPCMultistepScheduler(**TABLE, **options, solver_order=order, solver_type=variant)
    trajectory = Linspace(True, "unit", "row", extra=1)(STABLE, 12)
    close(ours(UniPC(order, variant, lower), Network(), trajectory), theirs(scheduler, 12, Network()), 1e-9)


def test_their_bh1_is_no_number_at_the_clean_level(peer):
    """h is infinite in the last step, and they multiply it by a correction of zero. Ours is Euler's step."""
    scheduler = peer.UniPCMultistepScheduler(**TABLE, timestep_spacing="trailing", solver_type="bh1")
    assert theirs(scheduler, 8, Network()).isnan().all()
    assert ours(UniPC(2, "bh1"), Network(), Trailing("unit")(STABLE, 8)).abs().max() < 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [16, 20, 40])
@pytest.mark.parametrize("name", MULTISTEP)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_deis(peer, order, name, steps, kind):
    """To row 0, where diffusers' DEIS always ends."""
    options, _ = MULTISTEP[name]
    spacing = {
        "linspace": Linspace(True, "unit", "row", extra=1),
        "leading": Leading(1, "unit", "row", extra=1),
        "trailing": Trailing("unit", "row"),
    }[name]
    scheduler = peer.DEISMultistepScheduler(**TABLE, **options, prediction_type=kind, solver_order=order)
    close(ours(DEIS(order), Network(kind), spacing(STABLE, steps)), theirs(scheduler, steps, Network(kind)), 1e-9)


def test_deis_lowers_its_order_below_15_steps(peer):
    """A first-order step is one with an empty memory, which is how the last is run here."""
    scheduler = peer.DEISMultistepScheduler(**TABLE, timestep_spacing="linspace", solver_order=2)
    trajectory = Linspace(True, "unit", "row", extra=1)(STABLE, 8)
    states = list(DEIS(2)(Network().denoise, State(start(), trajectory.levels[0]), trajectory, NOISE))
    before = State(states[-2].x, states[-2].level, states[-2].step)
    (found,) = DEIS(2)(Network().denoise, before, trajectory, NOISE)
    assert float((found.x - states[-1].x).abs().max()) > 1e-3
    close(found.x, theirs(scheduler, 8, Network()), 1e-9)


@pytest.mark.parametrize("steps", [8, 20])
def test_ipndm(peer, steps):
    """Its sigmas are sin² of equal angles. Two habits of it are left out: its first and its last step.

    It starts at alpha = 0, where x less its noise, which is nothing, is divided by 1e-8 for alpha: its guess of the
    data is lost. And it extrapolates the noise to the clean level, where ours takes the guess of the data.
    """
    scheduler = peer.IPNDMScheduler()
    scheduler.set_timesteps(steps)
    sigmas = (torch.linspace(1, 0, steps + 1, dtype=torch.float64) * math.pi / 2).sin() ** 2
    scheduler.betas, scheduler.alphas = sigmas, (1 - sigmas**2).sqrt()
    scheduler.set_begin_index(1)
    levels = tuple(level_at(Cosine(), float(sigma.asin() * 2 / math.pi)) for sigma in sigmas[1:-1])
    x, oracle = start(), Mixture()
    for now in levels[:-1]:
        x = scheduler.step(PREDICTIONS["v"]()(now).target(x, oracle(x, now)), 0.0, x).prev_sample
    *_, last = IPNDM()(oracle, State(start(), levels[0]), Trajectory(levels, Cosine(), 1.0), NOISE)
    close(last.x, x, 1e-9)


@pytest.mark.parametrize("steps", [5, 20])
def test_ddim_inverse(peer, steps):
    """Rows rise by 1000 / steps; it asks the network about the row above, with the x of the row below."""
    scheduler = peer.DDIMInverseScheduler(**TABLE, clip_sample=False)
    scheduler.alphas_cumprod = STABLE(torch.arange(1, 1001, dtype=torch.float64) / 1000).alpha ** 2
    scheduler.initial_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    scheduler.set_timesteps(steps)
    x = picture = Mixture()(start(), level_at(STABLE, 0.05))
    for t in scheduler.timesteps:
        x = scheduler.step(Network()(x, float(t)), t, x).prev_sample
    trajectory = Leading(0, "unit")(STABLE, steps)
    assert [int(Rows()(v)) for v in trajectory.levels[-2::-1]] == scheduler.timesteps.tolist()
    begun = State(picture, trajectory.levels[-1])
    *_, last = DDIMInverse()(Network().denoise, begun, trajectory, NOISE)
    close(last.x, x, 1e-9)
