"""k-diffusion's samplers and schedules, by golden numbers computed with them in float64.

Its coordinates are variance-exploding: x = data + sigma * noise, so that alpha = 1 and sigma is our ratio.
"""

import json
import math

import pytest
import torch

from oracles import Mixture
from unnoise.core.noise import Noise
from unnoise.core.schedule import Exploding
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory
from unnoise.samplers import SAMPLERS
from unnoise.samplers.dpmpp_sde import correlation
from unnoise.spacings.exponential import Exponential
from unnoise.spacings.karras import Karras
from unnoise.spacings.listed import Listed
from unnoise.spacings.polyexponential import Polyexponential

# Our entry for each of its samplers, and our option for each of its options.
NAMES = {
    "euler": "euler",
    "euler_ancestral": "euler_ancestral",
    "heun": "heun",
    "dpm_2": "dpm2",
    "dpm_2_ancestral": "dpm2_ancestral",
    "lms": "lms",
    "dpmpp_2m": "dpmpp_2m",
    "dpmpp_2s_ancestral": "dpmpp_2s_ancestral",
    "dpmpp_sde": "dpmpp_sde",
    "dpmpp_2m_sde": "dpmpp_2m_sde",
    "dpmpp_3m_sde": "dpmpp_3m_sde",
}
READY = [name for name, ours in NAMES.items() if ours in SAMPLERS]
SPACINGS = {
    "karras(10, 0.03, 14.6)": Karras(7.0, 0.03, 14.6),
    "exponential(7, 0.03, 14.6)": Exponential(0.03, 14.6),
    "polyexponential(9, 0.05, 12, rho=1.3)": Polyexponential(1.3, 0.05, 12.0),
    "karras(5, 0.002, 80, rho=7)": Karras(7.0, 0.002, 80.0),
}


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "fixtures" / "k_diffusion_golden.json").read_text(encoding="utf-8"))


def wave(phase: float, speed: int = 0) -> torch.Tensor:
    i, j = torch.arange(2, dtype=torch.float64)[:, None], torch.arange(6, dtype=torch.float64)
    return torch.sin(phase + 7 * speed + 3 * i + 5 * j)


def waves() -> Noise:
    """The k-th draw, k = 1, 2, ..., is sqrt(2) sin(0.5 + 7k + 3i + 5j)."""
    calls = iter(range(1, 1000))

    def draw(x: torch.Tensor, step: int, purpose: str = "step") -> torch.Tensor:
        return math.sqrt(2) * wave(0.5, next(calls)).to(x)

    return draw


def unrelated(trajectory: Trajectory) -> Noise:
    """The waves for a sampler whose two draws in a step are of one path, so that they come out unrelated as the file's.

    It takes the second draw as rho first + sqrt(1 - rho²) rest: here is the rest which makes that the wave.
    """
    wave, first = waves(), dict[int, torch.Tensor]()

    def draw(x: torch.Tensor, step: int, purpose: str = "step") -> torch.Tensor:
        drawn = wave(x, step, purpose)
        if purpose == "middle":
            first[step] = drawn
            return drawn
        now, to = trajectory.levels[step : step + 2]
        rho = correlation(now, trajectory.at(float(now.log_snr + to.log_snr) / 2), to)
        return (drawn - rho * first[step]) / (1 - rho**2).sqrt()

    return draw


@pytest.mark.parametrize("name", SPACINGS)
def test_schedules_agree(golden, name):
    sigmas = golden["schedules"][name]
    found = SPACINGS[name](Exploding(0.002, 80.0), len(sigmas) - 1)
    assert [float(level.ratio) for level in found.levels] == pytest.approx(sigmas, rel=1e-12, abs=1e-12)


def test_every_schedule_and_sampler_of_the_file_is_named_here(golden):
    assert set(golden["schedules"]) == set(SPACINGS)
    assert {case["sampler"] for case in golden["cases"]} == set(NAMES)


@pytest.mark.parametrize("sampler", READY)
def test_samplers_agree(golden, sampler):
    mixture = golden["denoiser"]
    denoise = Mixture(tuple(mixture["means"]), tuple(mixture["stds"]), tuple(mixture["weights"]))
    cases = [case for case in golden["cases"] if case["sampler"] == sampler]
    assert cases
    for case in cases:
        sigmas = case["sigmas"]
        trajectory = Listed(sigmas=tuple(sigmas[:-1]))(Exploding(0.002, 80.0), len(sigmas) - 1)
        start = State(sigmas[0] * 1.2 * wave(1.0), trajectory.levels[0])
        made = SAMPLERS[NAMES[sampler]](**case["options"])
        noise = unrelated(trajectory) if sampler == "dpmpp_sde" else waves()
        *_, last = made(denoise, start, trajectory, noise)
        expected = torch.tensor(case["x"], dtype=torch.float64)
        torch.testing.assert_close(last.x, expected, rtol=0, atol=golden["tolerance"])
