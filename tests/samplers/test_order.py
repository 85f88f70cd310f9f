"""Measured order: how fast each deterministic sampler's error falls as its evaluations grow, on data known exactly.

An error is taken at the last noisy level, where the exact ODE's solution is known, so that it is the method's own: the
step from there to the clean level is Euler's for all of them and of no order in the number of steps.

`FIRST`, `SECOND` and `THIRD` state each method's order. A multi-step method of order p whose first step is Euler's is
of second order, for that one step leaves an error of h², however small the others'; UniPC corrects it, to h³.

Where a path starts at alpha = 0, all of them are of second order at most, and those of order 2 lose a logarithm. Let
q = alpha / sigma grow from 0 by h a step. Step k goes from k h to (k + 1) h and is not short beside q, for log q moves
by 1 / k. The noise guess is 1 - c q² there, and sigma / alpha = 1 / q moves by 1 / (h k²), so that a method of order p
errs in x by h k (1 / (h k²)) (h k)² / k^p = h² / k^(p - 1): in sum by h² log(1 / h) for p = 2, and by h² for more. The
data guess is c q, and what follows it errs by h k (1 / k) (h k) / k^p, which is the same. A finite run's order then
comes near 2 from below, as 2 - 1 / log(n), and `settled` tells that from a lower order.
"""

import math
from dataclasses import dataclass, field
from functools import cache

import pytest
import torch

from oracles import SCHEDULES, Gaussian, Mixture, Plane, order, quantiles
from unnoise.core.clock import Scaled
from unnoise.core.condition import Unconditional
from unnoise.core.denoiser import Denoise, Denoiser
from unnoise.core.error import Refused
from unnoise.core.level import Level
from unnoise.core.noise import Seeds
from unnoise.core.prediction import PREDICTIONS, Prediction
from unnoise.core.schedule import Schedule
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory
from unnoise.samplers import SAMPLERS
from unnoise.samplers.ddim import DDIM
from unnoise.samplers.euler import Euler
from unnoise.spacings.exponential import Exponential
from unnoise.spacings.karras import Karras
from unnoise.spacings.uniform import Uniform

FIRST = ("euler", "ddim", "gradient_estimation")
SECOND = (
    "heun",
    "heun:form=ratio",
    "dpm2",
    "dpmpp_2m",
    "lms",
    "deis",
    "deis:order=2",
    "ipndm",
    "pndm",
    "pndm:prk=false",
    "res_multistep",
    "gradient_estimation:gamma=1.5",
    "unipc:order=1",
)
THIRD = ("unipc:lower_final=false", "unipc:variant=bh1,lower_final=false", "unipc:order=3,lower_final=false")
METHODS = FIRST + SECOND + THIRD
NOMINAL = dict.fromkeys(FIRST, 1) | dict.fromkeys(SECOND, 2) | dict.fromkeys(THIRD, 3)
UNIFORM = ("rectified", "cosine")
ORACLES = {"gaussian": Gaussian(), "mixture": Mixture()}


def evaluations(method: str, trajectory: Trajectory) -> int:
    """What a run to a noisy level costs: steps from alpha = 0 are Euler's, which looks at no second level."""
    nothing = float(trajectory.levels[0].alpha) == 0
    more = {"heun": trajectory.steps, "heun:form=ratio": trajectory.steps, "dpm2": trajectory.steps - nothing}
    more |= {"pndm": 6 if nothing else 9, "pndm:prk=false": 0 if nothing else 1}
    return trajectory.steps + more.get(method, 0)


@dataclass
class Counted:
    """A denoiser that counts its evaluations."""

    inner: Denoise
    calls: list[Level] = field(default_factory=list)

    def __call__(self, x: torch.Tensor, level: Level) -> torch.Tensor:
        self.calls.append(level)
        return self.inner(x, level)


@cache
def noisy(name: str, steps: int, first: int = 0) -> Trajectory:
    """A trajectory without its clean end: down to a sixteenth of the time, or to the least noise a ramp visits."""
    schedule = SCHEDULES[name]
    if name in UNIFORM:
        levels = Uniform()(schedule, steps).levels[first : -steps // 16]
    elif schedule.rows:
        levels = Exponential()(schedule, steps).levels[first:-1]
    else:
        levels = Karras()(schedule, steps).levels[first:-1]
    return Trajectory(levels, schedule, 1.0)


def start(oracle: Gaussian | Mixture, level: Level) -> torch.Tensor:
    units = quantiles(41)
    return oracle.at(level, units if isinstance(oracle, Gaussian) else torch.special.ndtr(units))


@cache
def exact(oracle: Gaussian | Mixture, begin: Level, end: Level) -> tuple[torch.Tensor, torch.Tensor]:
    """Where a run begins, and where the exact ODE takes it."""
    x = start(oracle, begin)
    return x, oracle.moved(x, begin, end)


def error(method: str, oracle: Gaussian | Mixture, trajectory: Trajectory, denoise: Denoise | None = None) -> float:
    """The mean distance from the exact solution at the trajectory's end."""
    x, end = exact(oracle, trajectory.levels[0], trajectory.levels[-1])
    counted = Counted(denoise or oracle)
    *_, last = SAMPLERS.make(method)(counted, State(x, trajectory.levels[0]), trajectory, Seeds((0,)))
    assert len(counted.calls) == evaluations(method, trajectory)
    return float((last.x - end).abs().mean())


def settled(errors: list[float], power: int) -> bool:
    """Whether errors at n, 2n and 4n steps are n^-power (a + b log n), or fall to n^-power times a number.

    n^power times them grows then by as much at each doubling, or less; of any lower order it grows by twice as much.
    """
    first, second, third = (e * 2 ** (power * i) for i, e in enumerate(errors))
    return third - second < 1.2 * max(second - first, 0) + 0.05 * second


@pytest.mark.parametrize("late", [False, True], ids=["from noise", "late"])
@pytest.mark.parametrize("oracle", ORACLES.values(), ids=ORACLES)
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("method", METHODS)
def test_order_on_every_schedule(method, name, oracle, late):
    def run(n: int) -> tuple[float, int]:
        trajectory = noisy(name, n, n // 16 if late else 0)
        return error(method, oracle, trajectory), evaluations(method, trajectory)

    (coarse, few), (fine, many) = run(96), run(192)
    found, nothing = order(coarse, fine, many / few), float(noisy(name, 96, 6 if late else 0).levels[0].alpha) == 0
    if method in ("euler", "ddim"):
        assert 0.93 < found < 1.1
    elif method in ("heun", "heun:form=ratio", "dpmpp_2m") and not nothing:
        assert 1.9 < found < 2.25
    else:
        power = min(NOMINAL[method], 2) if nothing else NOMINAL[method]
        assert found > power - 0.25 or settled([coarse, fine, run(384)[0]], power)


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


@cache
def middle(name: str, steps: int) -> Trajectory:
    """A trajectory that starts late and ends early."""
    return Trajectory(Uniform()(SCHEDULES[name], steps).levels[steps // 16 : -steps // 4], SCHEDULES[name], 1.0)


@cache
def exactly(method: str, name: str, steps: int) -> float:
    """The error of a method with the oracle itself, whatever a network predicts."""
    return error(method, Gaussian(), middle(name, steps))


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
        errors.append(error(method, oracle, middle(schedule, n), denoise))
        assert errors[-1] == pytest.approx(exactly(method, schedule, n), rel=1e-4)
    third = exactly(method, schedule, 256)
    least = 0.9 if method in ("euler", "ddim") else NOMINAL[method] - 0.25
    assert order(*errors) > least or settled([*errors, third], NOMINAL[method])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_few_steps_are_finite_and_sane(method, schedule, steps):
    trajectory = Karras()(schedule, steps)
    x = start(ORACLES["mixture"], trajectory.levels[0])
    *_, last = SAMPLERS.make(method)(ORACLES["mixture"], State(x, trajectory.levels[0]), trajectory, Seeds((0,)))
    assert last.step == steps and last.level.clean and last.x.isfinite().all()
    # Data reaches 2.5. Where Heun's trapezoid is taken in sigma / alpha, two steps from a largest sigma of 80 (or of
    # 20000) to almost none are off by as much; in the path's own coordinates nothing is that large. DPM2 and UniPC with
    # h for B(h), which is not bounded as steps grow, are off by up to 14 where three steps cover that range.
    top = float(trajectory.levels[0].ratio)
    wide = method == "heun:form=ratio" or schedule is SCHEDULES["exploding"]
    far = 15 if method == "dpm2" or "bh1" in method else 4
    assert last.x.abs().max() < (1.1 * top + 4 if wide and math.isfinite(top) else far)
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


@pytest.mark.parametrize("method", SECOND + THIRD)
@pytest.mark.parametrize("name", ["rectified", "cosine"])
def test_second_order_beats_first_at_equal_evaluations(method, name):
    """Heun and DPM2 take half the steps, and still win: at 64 evaluations on the mixture."""
    oracle = Mixture()
    steps = 64 * 64 // evaluations(method, Uniform()(SCHEDULES[name], 64))
    assert error(method, oracle, noisy(name, steps)) < error("euler", oracle, noisy(name, 64)) / 2


def follow(oracle: Plane, x: torch.Tensor, now: Level, to: Level, steps: int = 400) -> torch.Tensor:
    """The ODE of x / alpha = y in u = log(sigma / alpha), dy / du = sigma noise / alpha, by classical Runge-Kutta."""

    def slope(y: torch.Tensor, u: float) -> torch.Tensor:
        ratio = torch.tensor(u, dtype=torch.float64).exp()
        return y - oracle(y, Level(ratio, torch.ones_like(ratio), ratio))

    y, u = x / now.alpha, float(now.ratio.log())
    h = (float(to.ratio.log()) - u) / steps
    for _ in range(steps):
        a = slope(y, u)
        b = slope(y + h / 2 * a, u + h / 2)
        c = slope(y + h / 2 * b, u + h / 2)
        y, u = y + h / 6 * (a + 2 * b + 2 * c + slope(y + h * c, u + h)), u + h
    return to.alpha * y


@cache
def plane(name: str) -> tuple[Plane, torch.Tensor, torch.Tensor]:
    oracle, (begin, *_, end) = Plane(), noisy(name, 48).levels
    points = torch.cartesian_prod(quantiles(3)[0], quantiles(3)[0])[None]
    x = begin.alpha * oracle.moments()[0] + begin.sigma * points
    return oracle, x, follow(oracle, x, begin, end)


@pytest.mark.parametrize("name", ["exploding", "scaled_linear"])
@pytest.mark.parametrize("method", METHODS)
def test_order_on_correlated_data(method, name):
    oracle, x, end = plane(name)
    found = []
    for n in (48, 96, 192):
        trajectory = noisy(name, n)
        *_, last = SAMPLERS.make(method)(oracle, State(x, trajectory.levels[0]), trajectory, Seeds((0,)))
        found.append(float((last.x - end).abs().mean()))
    factor = evaluations(method, noisy(name, 192)) / evaluations(method, noisy(name, 96))
    assert order(found[1], found[2], factor) > NOMINAL[method] - 0.25 or settled(found, NOMINAL[method])


@pytest.mark.parametrize("order_", [2, 3])
@pytest.mark.parametrize("variant", ["bh1", "bh2"])
def test_unipc_lowers_its_order_at_the_end_alone(order_, variant):
    """A step of order p to the clean level is Euler's in any case; the one before is of second order at most."""
    trajectory, oracle = Karras()(SCHEDULES["linear"], 9), Mixture()
    begin = State(start(oracle, trajectory.levels[0]), trajectory.levels[0])
    runs = [
        list(SAMPLERS["unipc"](order_, variant, lower)(oracle, begin, trajectory, Seeds((0,))))
        for lower in (True, False)
    ]
    same = [torch.equal(a.x, b.x) for a, b in zip(*runs, strict=True)]
    assert same == [True] * 9 if order_ == 2 else same == [True] * 7 + [False, False]


@pytest.mark.parametrize("name", SCHEDULES)
def test_variable_ipndm_is_lms(name):
    trajectory, oracle = Karras()(SCHEDULES[name], 9), Mixture()
    begin = State(start(oracle, trajectory.levels[0]), trajectory.levels[0])
    runs = [
        list(SAMPLERS.make(spec)(oracle, begin, trajectory, Seeds((0,)))) for spec in ("lms", "ipndm:variable=true")
    ]
    for ours, theirs in zip(*runs, strict=True):
        if not ours.level.clean:
            torch.testing.assert_close(ours.x, theirs.x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("spec", ["lms:order=1", "deis:order=1", "ipndm:order=1", "gradient_estimation:gamma=1"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_first_orders_are_euler_s(spec, name):
    trajectory, oracle = Karras()(SCHEDULES[name], 6), Mixture()
    begin = State(start(oracle, trajectory.levels[0]), trajectory.levels[0])
    runs = [list(SAMPLERS.make(s)(oracle, begin, trajectory, Seeds((0,)))) for s in (spec, "euler")]
    for ours, theirs in zip(*runs, strict=True):
        torch.testing.assert_close(ours.x, theirs.x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "spec", ["lms:order=0", "lms:order=5", "deis:order=4", "ipndm:order=5", "unipc:order=4", "unipc:order=0"]
)
def test_orders_that_are_none_are_refused(spec):
    with pytest.raises(Refused, match="has no order"):
        SAMPLERS.make(spec)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "lms" and not m.startswith("pndm")])
def test_the_step_to_the_clean_level_is_the_guess(method):
    """All but LMS and PNDM, whose own noise, extrapolated, is what their published last step takes."""
    trajectory, oracle = Karras()(SCHEDULES["linear"], 9), Mixture()
    begin = State(start(oracle, trajectory.levels[0]), trajectory.levels[0])
    *_, last = SAMPLERS.make(method)(oracle, begin, trajectory, Seeds((0,)))
    assert last.level.clean and last.data is not None
    torch.testing.assert_close(last.x, last.data, rtol=1e-9, atol=1e-9)
