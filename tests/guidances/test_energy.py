"""Guidance by an energy: exact where it can be, each sample its own, and plain words where there is no function."""

import pytest
import torch
from torch import nn

from oracles import SCHEDULES, Gaussian, quantiles
from unnoise.core.clock import Scaled
from unnoise.core.condition import Unconditional
from unnoise.core.denoiser import Denoiser
from unnoise.core.error import Refused
from unnoise.core.guidance import Guided
from unnoise.core.noise import Seeds
from unnoise.core.prediction import Data
from unnoise.core.schedule import Rectified
from unnoise.core.state import begin
from unnoise.core.trajectory import level_at
from unnoise.guidances import GUIDANCES
from unnoise.guidances.energy import Energy
from unnoise.samplers.heun import Heun
from unnoise.spacings.uniform import Uniform


class Exact(nn.Module):
    """A network that predicts data, exactly, at the level it is told beside its arguments."""

    def __init__(self, oracle, level=None):
        super().__init__()
        self.oracle, self.level = oracle, level
        self.float64 = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x, time, condition):
        level = self.level if self.level is not None else level_at(Rectified(), float(time[0]) / 1000)
        return self.oracle(x, level)


def guided(oracle, level, energy):
    return Guided({"positive": Denoiser(Exact(oracle, level), Data(), Scaled()).bind(Unconditional())}, energy)


def tilt(data):
    """-2 data, summed: p(data) exp(2 data) of a normal distribution has its mean moved by 2 of its variances."""
    return -2 * data.flatten(1).sum(1)


@pytest.mark.parametrize("schedule", [SCHEDULES[n] for n in ("rectified", "cosine", "exploding", "scaled_linear")])
@pytest.mark.parametrize("t", [0.05, 0.5, 0.97])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1.7])
def test_a_linear_energy_of_gaussian_data_is_the_tilted_distribution_exactly(schedule, t, scale):
    level, oracle = level_at(schedule, t), Gaussian(0.7, 0.3)
    x = oracle.at(level, quantiles(7)).T
    tilted = Gaussian(0.7 + scale * 2 * 0.3**2, 0.3)
    torch.testing.assert_close(guided(oracle, level, Energy(tilt, scale))(x, level), tilted(x, level))


def test_only_to_the_guess_it_moves_by_the_slope_there():
    level, oracle = level_at(Rectified(), 0.4), Gaussian()
    x = oracle.at(level, quantiles(5)).T
    found = guided(oracle, level, Energy(lambda d: d.square().sum(1), 0.1, through=False))(x, level)
    guess = oracle(x, level)
    torch.testing.assert_close(found, guess - 0.1 * 2 * guess)
    assert not found.requires_grad


def test_samples_do_not_pull_each_other():
    level, oracle = level_at(Rectified(), 0.4), Gaussian()
    x = oracle.at(level, quantiles(4)).T
    energy = Energy(lambda d: (d - 1).square().sum(1).sqrt(), 0.3)
    together = guided(oracle, level, energy)(x, level)
    for k in range(4):
        torch.testing.assert_close(together[k : k + 1], guided(oracle, level, energy)(x[k : k + 1], level))


@pytest.mark.parametrize("through", [True, False])
def test_it_needs_no_gradient_mode_and_leaves_none_behind(through):
    level, oracle = level_at(Rectified(), 0.4), Gaussian()
    x = oracle.at(level, quantiles(4)).T
    guide = guided(oracle, level, Energy(tilt, 0.5, through=through))
    with torch.no_grad():
        found = guide(x, level)
        assert not torch.is_grad_enabled()
    assert torch.equal(found, guide(x, level))
    assert not found.requires_grad and not x.requires_grad
    combined, parts = guide.detailed(x, level, ("positive",))
    assert torch.equal(combined, found) and not parts["positive"].requires_grad


def test_a_whole_run_ends_in_the_tilted_distribution():
    trajectory, oracle = Uniform()(Rectified(), 60), Gaussian(0.7, 0.3)
    noise = Seeds((0,))
    start = begin(trajectory, quantiles(9).T)
    *_, last = Heun()(guided(oracle, None, Energy(tilt)), start, trajectory, noise)
    expected = 0.7 + 2 * 0.3**2 + 0.3 * quantiles(9).T
    # at t = 1 the guess does not depend on x and no energy is felt: the first of 60 steps errs by that
    torch.testing.assert_close(last.x, expected, atol=0.01, rtol=0)


def test_at_pure_noise_no_energy_is_felt():
    level, oracle = level_at(Rectified(), 1.0), Gaussian()
    x = quantiles(3).T
    assert torch.equal(guided(oracle, level, Energy(tilt))(x, level), oracle(x, level))


def test_classifier_free_guidance_comes_first():
    assert tuple(Energy(tilt).branches) == ("positive",)
    assert tuple(Energy(tilt, guidance=3.0).branches) == ("positive", "negative")
    found = {"positive": torch.ones(1, 2), "negative": torch.zeros(1, 2)}
    level = level_at(Rectified(), 0.5)
    out = Energy(tilt, 1.0, 3.0, through=False)(found, torch.zeros(1, 2), level)
    torch.testing.assert_close(out, torch.full((1, 2), 5.0))


@pytest.mark.parametrize("spec", ["energy", "energy:scale=2", "energy:function=print"])
def test_a_command_line_cannot_spell_it_and_is_told(spec):
    with pytest.raises(Refused, match="Python function, which no option can spell") as refusal:
        _ = GUIDANCES.make(spec).branches
    assert refusal.value.field == "guidance"


@pytest.mark.parametrize(
    "function", [lambda d: d.sum(), lambda d: d, lambda d: torch.zeros(len(d)), lambda d: d.detach().sum(1)]
)
@pytest.mark.parametrize("through", [True, False])
def test_a_function_that_gives_no_energies_is_refused(function, through):
    level = level_at(Rectified(), 0.5)
    with pytest.raises(Refused, match="one number a sample"):
        guided(Gaussian(), level, Energy(function, through=through))(quantiles(3).T, level)
