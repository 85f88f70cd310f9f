"""Measured order: how fast each deterministic sampler's error falls as its steps grow, on data that is known exactly.

An error is taken at the last noisy level, where the exact ODE's solution is known, so that it is the method's own: the
step from there to the clean level is Euler's for all of them and of no order in the number of steps. Where a path
starts at alpha = 0, sigma / alpha starts at infinity, and methods that extrapolate in it lose a logarithm: they
approach order 2 from below (1.75 to 1.93 at the step counts here).
"""

import math
from dataclasses import dataclass, field

import pytest
import torch

from oracles import SCHEDULES, Gaussian, Mixture, order, quantiles
from unnoise.core.clock import Scaled
from unnoise.core.condition import Unconditional
from unnoise.core.denoiser import Denoise, Denoiser
from unnoise.core.level import Level
from unnoise.core.noise import Seeds
from unnoise.core.prediction import PREDICTIONS, Prediction
from unnoise.core.schedule import Schedule
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory
from unnoise.samplers.ddim import DDIM
from unnoise.samplers.dpmpp_2m import DPMpp2M
from unnoise.samplers.euler import Euler
from unnoise.samplers.heun import Heun
from unnoise.spacings.exponential import Exponential
from unnoise.spacings.karras import Karras
from unnoise.spacings.uniform import Uniform

FIRST = {"euler": Euler(), "ddim": DDIM()}
SECOND = {"heun, path": Heun(), "heun, ratio": Heun("ratio"), "dpmpp_2m": DPMpp2M()}
METHODS = FIRST | SECOND
EVALUATIONS = {"heun, path": 2, "heun, ratio": 2}
UNIFORM = ("rectified", "cosine")
ORACLES = {"gaussian": Gaussian(), "mixture": Mixture()}


@dataclass
class Counted:
    """A denoiser that counts its evaluations."""

    inner: Denoise
    calls: list[Level] = field(default_factory=list)

    def __call__(self, x: torch.Tensor, level: Level) -> torch.Tensor:
        self.calls.append(level)
        return self.inner(x, level)


def noisy(schedule: Schedule, name: str, steps: int, first: int = 0) -> Trajectory:
    """A trajectory without its clean end: down to a sixteenth of the time, or to the least noise a ramp visits."""
    if name in UNIFORM:
        levels = Uniform()(schedule, steps).levels[first : -steps // 16]
    elif name == "exponential":
        levels = Exponential()(schedule, steps).levels[first:-1]
    else:
        levels = Karras()(schedule, steps).levels[first:-1]
    return Trajectory(levels, schedule, 1.0)


def start(oracle: Gaussian | Mixture, level: Level) -> torch.Tensor:
    units = quantiles(41)
    return oracle.at(level, units if isinstance(oracle, Gaussian) else torch.special.ndtr(units))


def error(method: str, oracle: Gaussian | Mixture, trajectory: Trajectory, denoise: Denoise | None = None) -> float:
    """The mean distance from the exact solution at the trajectory's end."""
    begin, end = trajectory.levels[0], trajectory.levels[-1]
    x, counted = start(oracle, begin), Counted(denoise or oracle)
    *_, last = METHODS[method](counted, State(x, begin), trajectory, Seeds((0,)))
    assert len(counted.calls) == EVALUATIONS.get(method, 1) * trajectory.steps
    return float((last.x - oracle.moved(x, begin, end)).abs().mean())


def measured(method, oracle, schedule, name, late):
    coarse, fine = (error(method, oracle, noisy(schedule, name, n, n // 16 if late else 0)) for n in (96, 192))
    return order(coarse, fine)


@pytest.mark.parametrize("late", [False, True], ids=["from noise", "late"])
@pytest.mark.parametrize("oracle", ORACLES.values(), ids=ORACLES)
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("method", METHODS)
def test_order_on_every_schedule(method, schedule, oracle, late):
    name = next((n for n in UNIFORM if schedule is SCHEDULES[n]), "karras" if schedule.rows == 0 else "exponential")
    found = measured(method, oracle, schedule, name, late)
    from_nothing = float(schedule(torch.ones((), dtype=torch.float64)).alpha) == 0 and not late
    if method in FIRST:
        assert 0.93 < found < 1.1
    elif method == "heun, path" or not from_nothing:
        assert 1.9 < found < 2.25
    else:
        assert 1.7 < found < 2.25


@dataclass(frozen=True)
class Exact:
    """A perfectly trained network: the target of the oracle's own guess, at the level its time says."""

    prediction: Prediction
    schedule: Schedule
    oracle: Denoise

    def __call__(self, scaled: torch.Tensor, time: torch.Tensor, condition: Unconditional) -> torch.Tensor:
        level = self.schedule(time[0].double())
        row = self.prediction(level)
        x = scaled / row.scale
        return row.target(x, self.oracle(x, level))


class Module(torch.nn.Module):
    def __init__(self, network: Exact) -> None:
        super().__init__()
        self.network = network
        self.float64 = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x: torch.Tensor, time: torch.Tensor, condition: Unconditional) -> torch.Tensor:
        return self.network(x, time, condition)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("schedule", ["rectified", "cosine", "zero_terminal_snr"])
@pytest.mark.parametrize("method", METHODS)
def test_order_does_not_depend_on_the_prediction(method, schedule, prediction):
    """Times are whole 128ths, which a float32 clock keeps; runs start late, as epsilon knows nothing at alpha = 0."""
    path, oracle = SCHEDULES[schedule], Gaussian()
    network = Module(Exact(PREDICTIONS[prediction](), path, oracle))
    denoise = Denoiser(network, PREDICTIONS[prediction](), Scaled(1.0)).bind(Unconditional())
    errors = []
    for n in (64, 128):
        levels = Uniform()(path, n).levels[n // 16 : -n // 4]
        trajectory = Trajectory(levels, path, 1.0)
        errors.append(error(method, oracle, trajectory, denoise))
        assert errors[-1] == pytest.approx(error(method, oracle, trajectory), rel=1e-4)
    assert order(*errors) > (0.9 if method in FIRST else 1.75)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_few_steps_are_finite_and_sane(method, schedule, steps):
    trajectory = Karras()(schedule, steps)
    x = start(ORACLES["mixture"], trajectory.levels[0])
    *_, last = METHODS[method](ORACLES["mixture"], State(x, trajectory.levels[0]), trajectory, Seeds((0,)))
    assert last.step == steps and last.level.clean and last.x.isfinite().all()
    # Data reaches 2.5. Where Heun's trapezoid is taken in sigma / alpha, two steps from a largest sigma of 80 (or of
    # 20000) to almost none are off by as much; in the path's own coordinates nothing is that large.
    top = float(trajectory.levels[0].ratio)
    wide = method == "heun, ratio" or schedule is SCHEDULES["exploding"]
    assert last.x.abs().max() < (1.1 * top + 4 if wide and math.isfinite(top) else 4)
    if steps == 1:
        torch.testing.assert_close(last.x, ORACLES["mixture"](x, trajectory.levels[0]))


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_euler_is_ddim_is_the_flow_step_is_edm_s(schedule):
    """One step written as each paper writes it."""
    now, to = (schedule(torch.tensor(t, dtype=torch.float64)) for t in (0.8, 0.6))
    oracle, x = Gaussian(), quantiles(9)
    data = oracle(x, now)
    noise = (x - now.alpha * data) / now.sigma
    state = next(Euler()(oracle, State(x, now), Trajectory((now, to), schedule, 1.0), Seeds((0,))))
    if schedule is SCHEDULES["rectified"]:
        expected = x + (to.t - now.t) * (noise - data)
    elif schedule is SCHEDULES["exploding"]:
        expected = x + (to.sigma - now.sigma) * (x - data) / now.sigma
    else:
        kept, before = to.alpha**2, now.alpha**2
        expected = kept.sqrt() * (x - (1 - before).sqrt() * noise) / before.sqrt() + (1 - kept).sqrt() * noise
    torch.testing.assert_close(state.x, expected)
    torch.testing.assert_close(
        next(DDIM()(oracle, State(x, now), Trajectory((now, to), schedule, 1.0), Seeds((0,)))).x, expected
    )


@pytest.mark.parametrize("method", SECOND)
@pytest.mark.parametrize("name", ["rectified", "cosine"])
def test_second_order_beats_first_at_equal_evaluations(method, name):
    """Heun takes half the steps, and still wins: at 64 evaluations on the mixture."""
    oracle, schedule = Mixture(), SCHEDULES[name]
    steps = 64 // EVALUATIONS.get(method, 1)
    assert error(method, oracle, noisy(schedule, name, steps)) < error("euler", oracle, noisy(schedule, name, 64)) / 2
