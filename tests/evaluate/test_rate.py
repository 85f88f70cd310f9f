"""Bits are those that are known for known data; what is shown for them is the same picture whatever space it is in."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from evaluate.sets import noise
from oracles import SCHEDULES, Gaussian
from unnoise.core.condition import Unconditional
from unnoise.core.error import Refused
from unnoise.evaluate.rate import FAR, Told, told
from unnoise.media.image import from_bytes
from unnoise.networks.pixels import Pixels, PixelsConfig

PICTURES = noise(40, size=16)


class Bound(nn.Module):
    """A denoiser that is a function of x and the level, whatever the words."""

    def __init__(self, guess):
        super().__init__()
        self.guess, self.weight = guess, nn.Parameter(torch.zeros(()))

    def bind(self, given):
        return self.guess


class Reader:
    def prepare(self, wishes):
        return wishes

    def __call__(self, tokens):
        return Unconditional()


def model(guess, schedule="rectified", spread=1.0):
    return SimpleNamespace(
        denoiser=Bound(guess),
        schedule=SCHEDULES[schedule],
        codec=Pixels(PixelsConfig(spread=spread)),
        conditioner=Reader(),
        description=SimpleNamespace(prompts="text", classes=(), name="m"),
    )


def sent(made, pictures=PICTURES, side=64, most=math.inf, seed=0):
    return told(made, pictures, ["a"] * len(pictures), side, most, seed)


@pytest.mark.parametrize("name", ["rectified", "cosine", "exploding", "scaled_linear"])
def test_bits_and_errors_of_normal_data_are_the_known_ones(name) -> None:
    # A normal value of variance v takes log2(1 + s v) / 2 bits up to a ratio s, and is then off by v / (1 + s v).
    std = 0.3
    data = (torch.randn(200, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * std).clamp(-1, 1)
    pictures = ((data + 1) * 127.5).round().byte()
    found = sent(model(Gaussian(0.0, std), name), pictures)
    for part in (0.3, 0.5, 0.7, 1.0):
        k = int(part * (found.bits.shape[1] - 1))
        mse, bits = float(found.errors[:, k].mean()) * 4, float(found.bits[:, k].mean()) / 48
        s = 1 / mse - 1 / std**2
        if s > 0.1:
            assert bits == pytest.approx(math.log2(1 + s * std**2) / 2, rel=0.05, abs=0.015)
    assert bool((found.bits.diff(dim=1) > 0).all())
    assert float(found.errors[:, -1].mean()) < 1e-3 < float(found.errors[:, 0].mean())


def test_a_unit_of_another_size_costs_the_same() -> None:
    # Twice the data in twice the noise is the same code: the bits at equal errors do not tell spaces apart.
    plain, twice = (sent(model(Gaussian(0.0, 0.58 * k), spread=k)) for k in (1.0, 2.0))
    for bits in (120, 400, 1200):
        one, other = (float(each.decibels(bits).mean()) for each in (plain, twice))
        assert one == pytest.approx(other, abs=0.15)


def test_what_is_foreseen_costs_nothing() -> None:
    one = PICTURES[:1].repeat(20, 1, 1, 1)
    found = sent(model(lambda x, _: from_bytes(one)[: len(x)]), one)
    assert float(found.bits.max()) == 0 and float(found.errors.max()) < 1e-12
    ignorant = sent(model(lambda x, _: torch.zeros_like(x)), one)
    assert float(ignorant.decibels(1000).min()) < float(found.decibels(1000).min())
    # Who never listens pays for all of it.
    power = from_bytes(one).square().flatten(1).sum(1)
    for k, s in ((0, -FAR), (-1, FAR)):
        assert ignorant.bits[:, k].tolist() == pytest.approx((power * math.exp(s) / math.log(4)).tolist(), rel=0.03)


def test_larger_pictures_are_compared_small() -> None:
    # Neighbours that are wrong by as much up as down are right once they are one.
    checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(4, 4) * 0.5
    made = model(lambda x, _: from_bytes(torch.full_like(x, 128).byte()) + checks)
    grey = torch.full((3, 3, 8, 8), 128).byte()
    assert float(sent(made, grey, side=4).errors.max()) < 1e-12
    assert float(sent(made, grey, side=8).errors.min()) == pytest.approx(0.25**2, rel=1e-3)


def test_noise_is_the_seeds_alone() -> None:
    made = model(Gaussian(0.0, 0.5))
    one, again, other = (sent(made, seed=s) for s in (3, 3, 2**64 - 1))
    assert torch.equal(one.bits, again.bits) and not torch.equal(one.bits, other.bits)


def test_no_more_is_sent_than_is_asked_for() -> None:
    made = model(Gaussian(0.0, 0.5))
    whole, part = sent(made), sent(made, most=500)
    count = part.bits.shape[1]
    assert count < whole.bits.shape[1] and torch.equal(part.bits, whole.bits[:, :count])
    assert float(part.bits[:, -1].min()) > 500 >= float(part.bits[:, -2].min())
    assert torch.equal(part.decibels(500), whole.decibels(500))


def test_guesses_without_end_are_refused() -> None:
    made = model(lambda x, level: x / 0 if float(level.t) < 0.5 else x)
    with pytest.raises(Refused, match=r"at time 0\.\d+ are not finite"):
        sent(made)
    unseen = model(Gaussian(0.0, 0.5))
    unseen.codec.decode = lambda sample: sample * float("nan")
    with pytest.raises(Refused, match="are not finite"):
        sent(unseen)


def test_decibels_between_levels_and_beyond() -> None:
    found = Told(torch.tensor([[10.0, 100.0, 1000.0]]).double(), torch.tensor([[0.1, 0.01, 0.001]]).double())
    asked = [found.decibels(bits).item() for bits in (1, 10, 10**1.5, 100, 1000, 10**6)]
    assert asked == pytest.approx([10, 10, 15, 20, 30, 30])
    free = Told(torch.zeros(2, 3).double(), torch.tensor([[0.1] * 3, [0.01] * 3]).double())
    assert free.decibels(5).tolist() == pytest.approx([10, 20])
