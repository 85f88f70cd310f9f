"""A model's errors on one scale: whatever it predicts, on whichever path."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from evaluate.sets import noise
from oracles import SCHEDULES
from unnoise.core.clock import Scaled
from unnoise.core.condition import Unconditional
from unnoise.core.denoiser import Denoiser
from unnoise.core.error import Refused
from unnoise.core.prediction import Data, Flow
from unnoise.evaluate.flow import LOW, TIMES, condition, encoded, flow_errors
from unnoise.media.image import from_bytes
from unnoise.networks.pixels import Pixels, PixelsConfig

PICTURES = noise(20, size=4)


class Constant(nn.Module):
    """A network that says the same whatever it sees."""

    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, x, time, given):
        return torch.zeros_like(x) + self.value


class Reader:
    """Remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def prepare(self, wishes):
        self.asked.extend(wishes)
        return wishes

    def __call__(self, tokens):
        return Unconditional()


def model(network, prediction, schedule, prompts="text"):
    about = SimpleNamespace(prompts=prompts, classes=("Coat",), name="m")
    made = SimpleNamespace(
        denoiser=Denoiser(network, prediction, Scaled()),
        schedule=schedule,
        codec=Pixels(PixelsConfig()),
        conditioner=Reader(),
        description=about,
    )
    return made, made.conditioner.asked


def drawn(seed):
    """Each part's times (20,), and the generator of its noise."""
    for k in range(TIMES):
        random = torch.Generator().manual_seed(seed + k)
        spread = (torch.randperm(20, generator=random) + 0.5) / 20
        yield LOW + (1 - LOW) * (k + spread) / TIMES, random


def test_on_a_straight_path_it_is_the_loss_of_a_flow() -> None:
    # A flow that is always said to be 0.3 is off by noise - data - 0.3.
    made, asked = model(Constant(0.3), Flow(), SCHEDULES["rectified"])
    found = flow_errors(made, PICTURES, ["a"] * 20, seed=4)
    wanted = torch.zeros(20)
    for _, random in drawn(4):
        off = torch.randn(PICTURES.shape, generator=random) - from_bytes(PICTURES) - 0.3
        wanted += off.square().mean((1, 2, 3)) / TIMES
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(wanted.tolist(), rel=1e-3)
    assert [w.prompt for w in asked] == ["a"] * 20 * TIMES


@pytest.mark.parametrize("name", ["rectified", "cosine", "exploding", "scaled_linear"])
def test_a_guess_that_is_off_counts_by_its_level(name) -> None:
    schedule = SCHEDULES[name]
    made, _ = model(Constant(0.0), Data(), schedule)
    found = flow_errors(made, PICTURES, [""] * 20, seed=1)
    times = torch.stack([t for t, _ in drawn(1)])
    assert float(times.min()) > LOW and float(times.max()) < 1
    level = schedule(times)
    expected = ((1 + level.alpha / level.sigma) ** 2).mean(0) * from_bytes(PICTURES).square().mean((1, 2, 3))
    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-4)


def test_classes_are_read_as_the_model_spells_them() -> None:
    made, asked = model(Constant(0.0), Data(), SCHEDULES["rectified"], "classes")
    condition(made, ["coat"])
    assert asked[0].prompt == "Coat"
    with pytest.raises(Refused, match="no class"):
        condition(made, ["hat"])


def test_samples_are_what_the_codec_makes() -> None:
    made, _ = model(Constant(0.0), Data(), SCHEDULES["rectified"])
    assert torch.equal(encoded(made, from_bytes(PICTURES), 3), from_bytes(PICTURES))
