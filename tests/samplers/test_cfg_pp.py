"""CFG++: the guided guess, noised again in the direction of the free branch (Chung et al. 2024).

Two branches with known data, N(m, d²) with a prompt and N(0, d²) without, are mixed by classifier-free guidance.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import torch

from oracles import SCHEDULES, Gaussian, order, quantiles
from unnoise.core.clock import Scaled
from unnoise.core.condition import Condition, condition
from unnoise.core.denoiser import Denoiser
from unnoise.core.error import Refused
from unnoise.core.guidance import Guided
from unnoise.core.level import Level
from unnoise.core.noise import Seeds
from unnoise.core.prediction import Data
from unnoise.core.sampler import branches
from unnoise.core.schedule import Exploding
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory
from unnoise.guidances.classifier_free import ClassifierFree
from unnoise.samplers import SAMPLERS
from unnoise.samplers.dpmpp_2m_cfg_pp import DPMpp2MCFGpp
from unnoise.samplers.euler_cfg_pp import EulerCFGpp
from unnoise.spacings.exponential import Exponential
from unnoise.spacings.karras import Karras
from unnoise.spacings.uniform import Uniform

METHODS = {"euler_cfg_pp": EulerCFGpp(), "dpmpp_2m_cfg_pp": DPMpp2MCFGpp()}
methods = pytest.mark.parametrize("key", METHODS)
paths = pytest.mark.parametrize("name", SCHEDULES)


@dataclass
class Pair:
    """A guided denoiser of two exact branches; counts its evaluations."""

    scale: float = 0.6
    positive: Gaussian = field(default_factory=lambda: Gaussian(0.7, 0.3))
    negative: Gaussian = field(default_factory=lambda: Gaussian(0.0, 0.3))
    calls: int = 0

    def __call__(self, x: torch.Tensor, level: Level) -> torch.Tensor:
        return self.detailed(x, level, ())[0]

    def detailed(self, x: torch.Tensor, level: Level, names: tuple[str, ...]) -> tuple[torch.Tensor, dict]:
        self.calls += 1
        both = {"positive": self.positive(x, level), "negative": self.negative(x, level)}
        guided = both["negative"] + self.scale * (both["positive"] - both["negative"])
        return guided, {name: both[name] for name in names}


def ended(sampler, denoise, trajectory: Trajectory, x: torch.Tensor | None = None) -> torch.Tensor:
    level = trajectory.levels[0]
    x = float(level.sigma) * quantiles(9) if x is None else x
    *_, last = sampler(denoise, State(x, level), trajectory, Seeds((0,)))
    return last.x


@methods
def test_it_names_the_branch_it_looks_at(key):
    assert branches(SAMPLERS[key]) == branches(SAMPLERS.make(key)) == ("negative",)
    assert branches(SAMPLERS["euler"]) == ()


@methods
def test_it_is_refused_without_guidance_and_says_what_would_do(key):
    trajectory = Uniform()(SCHEDULES["cosine"], 4)

    def alone(x: torch.Tensor, level: Level) -> torch.Tensor:
        return x

    with pytest.raises(Refused) as refusal:
        ended(METHODS[key], alone, trajectory)
    assert refusal.value.field == "sampler" and key in str(refusal.value) and "guidance" in refusal.value.remedy


@methods
@paths
def test_one_guided_evaluation_a_step(key, name):
    pair = Pair()
    ended(METHODS[key], pair, Karras()(SCHEDULES[name], 7))
    assert pair.calls == 7


@methods
@paths
def test_branches_that_agree_make_it_the_plain_method(key, name):
    plain = SAMPLERS.make(key.removesuffix("_cfg_pp"))
    same = Pair(scale=0.6, negative=Gaussian(0.7, 0.3))
    trajectory = Karras()(SCHEDULES[name], 9)
    torch.testing.assert_close(
        ended(METHODS[key], same, trajectory), ended(plain, Gaussian(0.7, 0.3), trajectory), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("name", ["exploding", "scaled_linear"])
@pytest.mark.parametrize("steps", [1, 2, 9])
def test_euler_is_the_paper_s_update(name, steps):
    """Algorithm 2, and its form in variance-exploding coordinates: x' = guided + sigma' (x - free) / sigma."""
    pair, trajectory = Pair(), Karras()(SCHEDULES[name], steps)
    x = y = float(trajectory.levels[0].sigma) * quantiles(9)
    found = ended(EulerCFGpp(), pair, trajectory, x)
    for now, to in pairwise(trajectory.levels):
        kept, then = (float(v.alpha) ** 2 for v in (now, to))
        if name == "exploding":
            guided, parts = pair.detailed(y, now, ("negative",))
            y = guided + to.sigma * (y - parts["negative"]) / now.sigma
            continue
        free, own = ((y - now.alpha * g(y, now)) / (1 - kept) ** 0.5 for g in (pair.negative, pair.positive))
        mixed = free + pair.scale * (own - free)
        y = then**0.5 * (y - (1 - kept) ** 0.5 * mixed) / kept**0.5 + (1 - then) ** 0.5 * free
    torch.testing.assert_close(found, y, rtol=1e-9, atol=1e-9)


def test_dpmpp_2m_is_the_authors_update():
    """x' = guided + exp(-h) (x - free) + (1 - exp(-h)) (free - free before) h / (2 h before), where alpha = 1."""
    sigmas = [14.6, 7.0, 3.1, 1.2, 0.4, 0.1, 0.0]
    schedule, pair = Exploding(0.002, 80.0), Pair()
    levels = tuple(schedule(torch.tensor(s / 80, dtype=torch.float64)) for s in sigmas)
    x = y = 14.6 * quantiles(9)
    found = ended(DPMpp2MCFGpp(), pair, Trajectory(levels, schedule, 14.6), x)
    before = None
    for i, (now, to) in enumerate(pairwise(levels)):
        guided, parts = pair.detailed(y, now, ("negative",))
        free, fall = parts["negative"], sigmas[i + 1] / sigmas[i]
        step = guided + fall * (y - free)
        if before is not None and not to.clean:
            h, last = (torch.log(torch.tensor(sigmas[k] / sigmas[k + 1], dtype=torch.float64)) for k in (i, i - 1))
            step = step + (1 - fall) * (free - before) * h / (2 * last)
        y, before = step, free
    torch.testing.assert_close(found, y, rtol=1e-9, atol=1e-9)


@methods
@pytest.mark.parametrize("name", ["rectified", "cosine", "scaled_linear", "zero_terminal_snr"])
def test_what_its_name_promises_of_a_scale_of_one_and_of_none(key, name):
    """Scale 0 is a run without a prompt. Scale 1 ends at the prompt's own guess."""
    trajectory = Karras()(SCHEDULES[name], 40)
    plain = SAMPLERS.make(key.removesuffix("_cfg_pp"))
    pair = Pair(scale=0.0)
    torch.testing.assert_close(
        ended(METHODS[key], pair, trajectory), ended(plain, pair, trajectory), rtol=1e-9, atol=1e-9
    )
    *_, before, last = METHODS[key](Pair(1.0), State(quantiles(9), trajectory.levels[0]), trajectory, Seeds((0,)))
    torch.testing.assert_close(last.x, Gaussian(0.7, 0.3)(before.x, before.level))


@methods
def test_runs_with_more_steps_agree_more(key):
    """Each step adds scale times the branches' difference, however short it is: more steps are more guidance.

    With scale / steps, what is added in all stays the same, and the runs approach each other.
    """
    ends = []
    for steps in (40, 80, 160):
        trajectory = Exponential()(SCHEDULES["scaled_linear"], steps)
        ends.append(ended(METHODS[key], Pair(scale=10 / steps), trajectory).mean())
    assert order(float((ends[0] - ends[1]).abs()), float((ends[1] - ends[2]).abs())) > 0.8


def test_it_runs_on_guided_networks():
    """The real Guided, one network call for both branches."""

    @condition
    class Word(Condition):
        mean: torch.Tensor

    class Knowing(torch.nn.Module):
        calls = 0

        def forward(self, x: torch.Tensor, time: torch.Tensor, condition: Word) -> torch.Tensor:
            self.calls += 1
            sigma = time.double()[:, None]
            return (condition.mean[:, None] * sigma**2 + 0.09 * x.double()).to(x) / (sigma**2 + 0.09).to(x)

    class Sigma(Scaled):
        def __call__(self, level: Level) -> torch.Tensor:
            return level.sigma

    network = Knowing()
    denoiser = Denoiser(network, Data(), Sigma())
    word = {
        name: denoiser.bind(Word(mean=torch.full((1,), mean))) for name, mean in (("positive", 0.7), ("negative", 0.0))
    }
    trajectory = Karras()(SCHEDULES["exploding"], 12)
    x = float(trajectory.levels[0].sigma) * quantiles(9).float()
    found = ended(EulerCFGpp(), Guided(word, ClassifierFree(0.6)), trajectory, x)
    assert network.calls == 12
    torch.testing.assert_close(found, ended(EulerCFGpp(), Pair(0.6), trajectory, x), rtol=1e-4, atol=1e-4)
