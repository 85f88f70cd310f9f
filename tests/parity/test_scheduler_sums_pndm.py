"""diffusers' four test loops of PNDM, by the sums they gave: a formula for a network, as in test_scheduler_sums.py.

`computed` was made in float32, ours is float64: they agree to 1e-5 of the largest value. The formula x t / (t + 1)
reads the timestep, which is our row. Where betas begin at 0.01, the first step takes x 2.5 times less nearly as much of
the formula's x (1 - 1 / 901): a thousandth is left, of which float32 loses 6e-5. So two loops agree to 2e-5.
diffusers' own test has 230.0399 for one of them and the fixture 230.0337; in float64 diffusers gives our 230.0369.

One loop is excluded, the one for v-prediction. diffusers puts the weights of Runge-Kutta and Adams-Bashforth on the
network's outputs as they come and reads their sum as noise by alpha and x where the step begins. With alpha = cos(a)
and sigma = sin(a) the noise is alpha v + sigma x and dx / da = v, so that it changes by

    alpha dv - sigma v da + alpha x da + sigma v da = alpha (dv + x da),

of which their sum has alpha dv alone: an error of first order in the step, where the method is of second. `OnOutputs`
replays that loop, which shows that nothing else differs, and measures its order.
"""

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch

from oracles import SCHEDULES, Gaussian, order, quantiles
from unnoise.core.clock import Rows
from unnoise.core.denoiser import Denoise
from unnoise.core.level import Level
from unnoise.core.noise import Noise, Seeds
from unnoise.core.prediction import PREDICTIONS, V
from unnoise.core.sampler import Sampler
from unnoise.core.schedule import Betas
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory, level_at
from unnoise.samplers._mean import ahead, carried
from unnoise.samplers.pndm import PNDM
from unnoise.spacings.exponential import Exponential
from unnoise.spacings.leading import Leading


@pytest.fixture(scope="module")
def cases(shared):
    sums = json.loads((shared / "fixtures" / "scheduler_sums.json").read_text(encoding="utf-8"))
    return [case for case in sums["cases"] if case["scheduler"] == "PNDMScheduler"]


@dataclass(frozen=True)
class OnOutputs:
    """PNDM on a network's v as diffusers runs it."""

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        def v(x: torch.Tensor, level: Level) -> torch.Tensor:
            return V()(level).target(x, denoise(x, level))

        seen: list[torch.Tensor] = []
        for now, to in state.remaining(trajectory):
            x, first = state.x, v(state.x, now)
            middle = level_at(trajectory.schedule, float(now.t + to.t) / 2)

            def there(level: Level, output: torch.Tensor, x: torch.Tensor = x, now: Level = now) -> torch.Tensor:
                return carried(x, now, level, now.alpha * output + now.sigma * x, x)

            seen = [first, *seen][:4]
            if len(seen) == 4:
                found = ahead(seen)
            else:
                second = v(there(middle, first), middle)
                third = v(there(middle, second), middle)
                found = (first + 2 * second + 2 * third + v(there(to, third), to)) / 6
            state = state.next(there(to, found), to, V()(now).data(x, first))
            yield state


def sample() -> torch.Tensor:
    return (torch.arange(768, dtype=torch.float64).reshape(3, 8, 8, 4) / 768).permute(3, 0, 1, 2)


def run(case: dict, sampler: Sampler) -> tuple[torch.Tensor, list[float]]:
    """The loop's end, and the timesteps at which the network was asked."""
    config = case["full_config"]
    schedule = Betas(config["beta_schedule"], config["beta_start"], config["beta_end"], between="sigma")
    kind, asked = {"epsilon": "epsilon", "v_prediction": "v"}[config["prediction_type"]], []

    def guess(x: torch.Tensor, level: Level) -> torch.Tensor:
        row = Rows()(level)
        asked.append(float(row))
        return PREDICTIONS[kind]()(level).data(x, x * row / (row + 1))

    trajectory = Leading(0, "unit", "clean" if config["set_alpha_to_one"] else "row")(schedule, 10)
    *_, last = sampler(guess, State(sample(), trajectory.levels[0]), trajectory, Seeds(()))
    return last.x, asked


def agree(x: torch.Tensor, computed: dict, tolerance: float = 1e-5) -> None:
    values = torch.tensor(computed["first_8"], dtype=torch.float64)
    largest = max(float(values.abs().max()), computed["abs_mean"])
    torch.testing.assert_close(x.flatten()[:8], values, rtol=0, atol=tolerance * largest)
    assert float(x.abs().sum()) == pytest.approx(computed["abs_sum"], rel=tolerance)
    assert float(x.abs().mean()) == pytest.approx(computed["abs_mean"], rel=tolerance)


@pytest.mark.parametrize("index", range(4))
def test_loops_agree(cases, index):
    assert len(cases) == 4
    case = cases[index]
    v = case["full_config"]["prediction_type"] == "v_prediction"
    x, asked = run(case, OnOutputs() if v else PNDM())
    # Without a clean level to go to, the last step goes from row 0 to row 0, and ours leaves it out.
    expected = case["model_timesteps"][: None if case["full_config"]["set_alpha_to_one"] else -1]
    assert asked == pytest.approx(expected, abs=1e-9)
    agree(x, case["computed"], 2e-5 if case["full_config"]["beta_start"] == 0.01 else 1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own
@pytest.mark.parametrize("index", [0, 2, 3])
def test_loops_agree_with_diffusers_in_float64(cases, index):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of optional packages
        diffusers = pytest.importorskip("diffusers", reason="diffusers, the peer compared with, is not installed")
    config = cases[index]["full_config"]
    scheduler = diffusers.PNDMScheduler(**cases[index]["config"])
    betas = torch.linspace(config["beta_start"], config["beta_end"], 1000, dtype=torch.float64)
    scheduler.alphas_cumprod = torch.cumprod(1 - betas, 0)
    scheduler.final_alpha_cumprod = torch.tensor(1.0) if config["set_alpha_to_one"] else scheduler.alphas_cumprod[0]
    scheduler.set_timesteps(10)
    x = sample()
    for t in scheduler.timesteps:
        x = scheduler.step(x * t / (t + 1), t, x).prev_sample
    torch.testing.assert_close(run(cases[index], PNDM())[0], x, rtol=1e-9, atol=1e-9)


def test_the_excluded_loop_is_not_pndm_s(cases):
    case = next(c for c in cases if c["full_config"]["prediction_type"] == "v_prediction")
    x, _ = run(case, PNDM())
    assert abs(float(x.abs().sum()) / case["computed"]["abs_sum"] - 1) > 1e-3


def test_weights_on_v_are_of_first_order():
    schedule, oracle, errors = SCHEDULES["linear"], Gaussian(), {}
    for sampler in (PNDM(), OnOutputs()):
        for steps in (96, 192):
            levels = Exponential()(schedule, steps).levels[:-1]
            x = oracle.at(levels[0], quantiles(41))
            *_, last = sampler(oracle, State(x, levels[0]), Trajectory(levels, schedule, 1.0), Seeds(()))
            errors[sampler, steps] = float((last.x - oracle.moved(x, levels[0], levels[-1])).abs().mean())
    assert order(errors[PNDM(), 96], errors[PNDM(), 192]) > 1.75
    assert order(errors[OnOutputs(), 96], errors[OnOutputs(), 192]) < 1.25
    assert errors[OnOutputs(), 192] > 10 * errors[PNDM(), 192]
