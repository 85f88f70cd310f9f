"""The denoising objective is each paper's loss, and by it a network learns a distribution."""

from dataclasses import dataclass
from itertools import count

import pytest
import torch
from torch import Tensor, nn

from unnoise.core.clock import Clock, LogSigma, Rows, Scaled
from unnoise.core.condition import Unconditional
from unnoise.core.denoiser import Denoiser
from unnoise.core.noise import Seeds
from unnoise.core.prediction import EDM, Data, Epsilon, Flow, Prediction, V
from unnoise.core.schedule import Betas, Cosine, Exploding, Rectified, Schedule
from unnoise.core.state import begin
from unnoise.samplers import SAMPLERS
from unnoise.spacings import SPACINGS
from unnoise.train.loop import generator, train
from unnoise.train.objective import Example
from unnoise.train.objectives.denoising import Denoising
from unnoise.train.optimizers import Optimizing, Together
from unnoise.train.times import LogitNormal, LogNormalSigma, Times, UniformTimes
from unnoise.train.weighting import EDMWeighting, Plain, Weighting


class Nothing(nn.Module):
    """Reads no wish."""

    def prepare(self, wishes: object) -> None:
        return None

    def forward(self, tokens: None) -> Unconditional:
        return Unconditional()


class Wave(nn.Module):
    """Some function of x and time."""

    def forward(self, x: Tensor, time: Tensor, condition: Unconditional) -> Tensor:
        return torch.sin(3 * x) + 0.1 * time.cos()[:, None, None, None]


@pytest.mark.parametrize(
    ("prediction", "target"),
    [(Epsilon(), "noise"), (Data(), "data"), (V(), "velocity"), (Flow(), "flow")],
)
def test_plain_is_the_mean_square_of_what_the_papers_regress_on(prediction: Prediction, target: str) -> None:
    random = torch.Generator().manual_seed(0)
    data, noise = (torch.randn(5, 3, 4, 4, generator=random) for _ in range(2))
    schedule = Rectified() if isinstance(prediction, Flow) else Cosine()
    objective = Denoising(Denoiser(Wave(), prediction, Scaled()), Nothing(), schedule)
    t = torch.linspace(0.1, 0.9, 5)
    errors, level = objective.errors(data, t, noise, None)
    x = level.mix(data, noise)
    output = Wave()(x, t * 1000, Unconditional())
    velocity = level.alpha * noise - level.sigma * data
    wanted = {"noise": noise, "data": data, "velocity": velocity, "flow": noise - data}[target]
    expected = (output - wanted).square().mean((1, 2, 3))
    torch.testing.assert_close(errors, expected, rtol=1e-4, atol=1e-5)


def test_edm_is_the_weighted_error_of_its_denoiser() -> None:
    """Karras et al. 2022, eq. 2 and table 1: lambda(sigma) || D(y + n; sigma) - y ||²."""
    random = torch.Generator().manual_seed(0)
    data, noise = (torch.randn(5, 3, 4, 4, generator=random) * 0.5, torch.randn(5, 3, 4, 4, generator=random))
    denoiser = Denoiser(Wave(), EDM(0.5), LogSigma(0.25))
    objective = Denoising(denoiser, Nothing(), Exploding(), weighting=EDMWeighting(0.5))
    sigma = torch.tensor([0.02, 0.1, 0.5, 2.0, 20.0])[:, None, None, None]
    y = data + sigma * noise
    skip = 0.25 / (sigma**2 + 0.25)
    out, scale = sigma * 0.5 / (sigma**2 + 0.25).sqrt(), 1 / (sigma**2 + 0.25).sqrt()
    guess = skip * y + out * Wave()(scale * y, sigma.log().flatten() / 4, Unconditional())
    expected = ((sigma**2 + 0.25) / (sigma * 0.5) ** 2 * (guess - data) ** 2).mean((1, 2, 3))
    errors, _ = objective.errors(data, sigma.flatten() / 80, noise, None)
    torch.testing.assert_close(errors, expected, rtol=1e-3, atol=1e-4)


def test_a_perfect_network_has_no_loss_and_gradients_reach_the_network() -> None:
    data = torch.full((4, 1, 2, 2), 0.3)

    class Knows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Parameter(torch.tensor(0.3))

        def forward(self, x: Tensor, time: Tensor, condition: Unconditional) -> Tensor:
            return self.value.expand_as(x)

    network = Knows()
    objective = Denoising(Denoiser(network, Data(), Scaled()), Nothing(), Rectified())
    (loss,) = objective(Example(data, None, torch.Generator().manual_seed(0)))
    assert float(loss.value.detach()) == 0
    network.value.data += 0.1
    (loss,) = objective(Example(data, None, torch.Generator().manual_seed(0)))
    loss.value.backward()
    assert loss.role == "model"
    assert float(network.value.grad) == pytest.approx(0.2)
    assert not loss.metrics["error"].requires_grad


@pytest.mark.usefixtures("quick_in_half")
def test_autocast_leaves_the_weights_and_the_loss_in_float32() -> None:
    network = nn.Conv2d(1, 1, 1)
    seen: list[torch.dtype] = []

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network

        def forward(self, x: Tensor, time: Tensor, condition: Unconditional) -> Tensor:
            made = self.inner(x)
            seen.append(made.dtype)
            return made

    objective = Denoising(Denoiser(Wrapped(), Data(), Scaled()), Nothing(), Rectified(), autocast=torch.bfloat16)
    (loss,) = objective(Example(torch.ones(2, 1, 2, 2), None, torch.Generator().manual_seed(0)))
    loss.value.backward()
    assert seen == [torch.bfloat16]
    assert loss.value.dtype == network.weight.grad.dtype == torch.float32


@dataclass(frozen=True)
class Way:
    """One of the three ways to train and to sample."""

    prediction: Prediction
    clock: Clock
    schedule: Schedule
    times: Times
    weighting: Weighting
    sampler: str
    spacing: str
    steps: int


WAYS = {
    "ddpm": Way(Epsilon(), Rows(1000), Betas("linear", 1e-4, 0.02), UniformTimes(), Plain(), "heun", "karras", 20),
    "edm": Way(EDM(0.5), LogSigma(), Exploding(), LogNormalSigma(), EDMWeighting(0.5), "heun", "karras", 20),
    "flow": Way(Flow(), Scaled(), Rectified(), LogitNormal(), Plain(), "heun", "uniform", 20),
}


class Small(nn.Module):
    """Points of a plane (B, 2, 1, 1) through three layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 + 16, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 2))

    def forward(self, x: Tensor, time: Tensor, condition: Unconditional) -> Tensor:
        angle = time[:, None] / 1000 * torch.arange(1, 9)
        return self.layers(torch.cat([x.flatten(1), angle.sin(), angle.cos()], 1))[:, :, None, None]


MEAN, DEVIATION, CORRELATION = (0.4, -0.3), (0.5, 0.25), 0.6


def points(number: int, random: torch.Generator) -> Tensor:
    a, b = torch.randn(2, number, generator=random)
    b = CORRELATION * a + (1 - CORRELATION**2) ** 0.5 * b
    made = torch.stack([MEAN[0] + DEVIATION[0] * a, MEAN[1] + DEVIATION[1] * b], 1)
    return made[:, :, None, None]


@pytest.mark.parametrize("name", WAYS)
def test_a_network_learns_a_distribution(name: str) -> None:
    way = WAYS[name]
    torch.manual_seed(0)
    denoiser = Denoiser(Small(), way.prediction, way.clock)
    objective = Denoising(denoiser, Nothing(), way.schedule, way.times, way.weighting)
    steps, settings = 600, Optimizing(rate=1e-2, warmup=50, cooldown=0.8, decay=0.0)
    examples = ([Example(points(256, random := generator(0, k, torch.device("cpu"))), None, random)] for k in count(0))
    optimizers = {"model": Together([denoiser], settings, lambda _: True)}
    losses: list[float] = []
    for report in train(objective, optimizers, examples, lambda step: settings.factor(step, steps)):
        losses.append(float(report.losses[0].value))
        if report.step == steps:
            break
    assert sum(losses[-50:]) < 0.9 * sum(losses[:50])
    trajectory = SPACINGS.make(way.spacing)(way.schedule, way.steps, (2, 1, 1))
    state = begin(trajectory, torch.randn(4000, 2, 1, 1, generator=torch.Generator().manual_seed(1)))
    *_, last = SAMPLERS.make(way.sampler)(denoiser.bind(Unconditional()), state, trajectory, Seeds(()))
    found = last.x[:, :, 0, 0].double()
    for k in (0, 1):
        assert float(found[:, k].mean()) == pytest.approx(MEAN[k], abs=0.08)
        assert float(found[:, k].std()) == pytest.approx(DEVIATION[k], rel=0.1)
    assert float(torch.corrcoef(found.T)[0, 1]) == pytest.approx(CORRELATION, abs=0.08)
