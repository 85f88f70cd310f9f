"""diffusers' two test loops of LCM, by the sums they gave: a formula in place of a network, as test_scheduler_sums.py.

`computed` was made in float32, ours is float64: they agree to 1e-5 of the largest value. The formula x t / (t + 1)
reads the timestep, which is our row; noise comes from one running generator.
"""

import json
from dataclasses import dataclass, field

import pytest
import torch

from unnoise.core.clock import Rows
from unnoise.core.level import Level
from unnoise.core.prediction import Epsilon
from unnoise.core.schedule import Betas
from unnoise.core.state import State
from unnoise.core.trajectory import through
from unnoise.samplers.lcm import LCM


@pytest.fixture(scope="module")
def cases(shared):
    sums = json.loads((shared / "fixtures" / "scheduler_sums.json").read_text(encoding="utf-8"))
    return [case for case in sums["cases"] if case["scheduler"] == "LCMScheduler"]


@dataclass
class Running:
    """One generator for the whole loop, drawn from when a step needs it, in float32."""

    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    def __call__(self, x: torch.Tensor, step: int, purpose: str = "step") -> torch.Tensor:
        return torch.randn(x.shape, generator=self.generator).to(x)


def guess(x: torch.Tensor, level: Level) -> torch.Tensor:
    row = Rows()(level)
    return Epsilon()(level).data(x, x * row / (row + 1))


def test_there_are_two(cases):
    assert [case["set_timesteps"]["num_inference_steps"] for case in cases] == [1, 10]


@pytest.mark.parametrize("index", [0, 1])
def test_loops_agree(cases, index):
    case = cases[index]
    config, computed = case["full_config"], case["computed"]
    schedule = Betas(config["beta_schedule"], config["beta_start"], config["beta_end"], config["num_train_timesteps"])
    trajectory = through(schedule, [(row + 1) / schedule.rows for row in case["model_timesteps"]] + [0.0])
    x = (torch.arange(768, dtype=torch.float64).reshape(3, 8, 8, 4) / 768).permute(3, 0, 1, 2)
    noise, sampler = Running(), LCM(config["timestep_scaling"])
    *_, last = sampler(guess, State(x, trajectory.levels[0]), trajectory, noise)
    values = torch.tensor(computed["first_8"], dtype=torch.float64)
    largest = max(float(values.abs().max()), computed["abs_mean"])
    torch.testing.assert_close(last.x.flatten()[:8], values, rtol=0, atol=1e-5 * largest)
    assert float(last.x.abs().sum()) == pytest.approx(computed["abs_sum"], rel=1e-5)
    assert float(last.x.abs().mean()) == pytest.approx(computed["abs_mean"], rel=1e-5)
