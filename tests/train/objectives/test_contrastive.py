"""The contrastive objective: what its loss is worth, and that the same thing in another style is no wrong answer."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from building import CAPTIONS, drawn, reader
from unnoise.core.model import Wish
from unnoise.networks.eye import Eye, EyeConfig
from unnoise.train.objective import Example
from unnoise.train.objectives.contrastive import LARGEST, Contrastive, Named


@pytest.fixture
def contrastive():
    torch.manual_seed(0)
    eye = Eye(EyeConfig(size=8, patch=2, widths=(8, 8), out=16))
    return Contrastive(eye=eye, text=reader(Eye.Condition), augment=None)


def example(made, things=(0, 1, 2, 3), seed=0):
    tokens = made.text.prepare([Wish(word) for word in CAPTIONS[: len(things)]])
    media = drawn(len(things), 3, 8, 8).clamp(-1, 1)
    return Example(media, Named(tokens, torch.tensor(things)), torch.Generator().manual_seed(seed))


def fixed(made, monkeypatch, pictures, words, scale=1.0):
    """The same objective, its two towers giving these vectors."""
    monkeypatch.setattr(made.eye, "forward", lambda _media: pictures)
    monkeypatch.setattr(type(made), "words", lambda _self, _tokens: words)
    made.eye.log_scale.data.fill_(math.log(scale))


def value(made, given):
    (loss,) = made(given)
    assert loss.role == "model"
    return replace(loss, value=loss.value.detach())


def test_towers_that_tell_nothing_cost_the_logarithm_of_the_batch(contrastive, monkeypatch):
    same = F.normalize(torch.ones(4, 16), dim=1)
    fixed(contrastive, monkeypatch, same, same)
    assert float(value(contrastive, example(contrastive)).value) == pytest.approx(math.log(4))


def test_towers_that_agree_cost_nothing_and_find_all(contrastive, monkeypatch):
    axes = torch.eye(4, 16)
    fixed(contrastive, monkeypatch, axes, axes, 50.0)
    right = value(contrastive, example(contrastive))
    assert float(right.value) == pytest.approx(0, abs=1e-4) and float(right.metrics["found"]) == 1
    fixed(contrastive, monkeypatch, axes, axes.roll(1, 0), 50.0)
    wrong = value(contrastive, example(contrastive))
    assert float(wrong.value) > 40 and float(wrong.metrics["found"]) == 0


def test_the_same_thing_twice_shares_what_is_right(contrastive, monkeypatch):
    """Two pictures of one thing: nobody can tell their names apart, and nobody is asked to."""
    axes = torch.eye(3, 16)[[0, 0, 1]]
    fixed(contrastive, monkeypatch, axes, axes, 50.0)
    shared = value(contrastive, example(contrastive, (0, 0, 1)))
    assert float(shared.value) == pytest.approx(2 / 3 * math.log(2), abs=1e-4)  # the least that there can be
    crossed = torch.eye(3, 16)
    fixed(contrastive, monkeypatch, crossed, crossed, 5.0)
    apart, together = (float(value(contrastive, example(contrastive, t)).value) for t in ((0, 1, 2), (0, 0, 2)))
    assert together > apart + 1  # of the same thing, they are not to be pushed apart


def test_each_way_counts_by_half(contrastive, monkeypatch):
    pictures, words = torch.eye(2, 16), torch.tensor([[1.0, 0.0], [1.0, 0.0]]) @ torch.eye(2, 16)
    fixed(contrastive, monkeypatch, pictures, words, 3.0)
    scores = 3.0 * pictures @ words.T
    rows, columns = (F.cross_entropy(s, torch.arange(2)) for s in (scores, scores.T))
    assert float(rows) != pytest.approx(float(columns), abs=0.1)
    found = value(contrastive, example(contrastive, (0, 1)))
    assert float(found.value) == pytest.approx(float((rows + columns) / 2))
    assert float(found.metrics["found"]) == 0.5


def test_an_angle_counts_no_more_than_so_much(contrastive):
    contrastive.eye.log_scale.data.fill_(9.0)
    one = torch.eye(1, 16)
    assert float(contrastive.scores(one, one).detach()) == LARGEST


def test_gradient_reaches_both_towers_and_the_temperature(contrastive):
    (loss,) = contrastive(example(contrastive))
    loss.value.backward()
    assert contrastive.eye.log_scale.grad.abs() > 0
    assert contrastive.eye.leave.weight.grad.abs().sum() > 0
    assert contrastive.text.words.weight.grad.abs().sum() > 0


def test_pictures_are_varied_by_the_step_s_randomness(contrastive):
    from unnoise.data.augment import Augment

    varied = replace(contrastive, augment=Augment())
    first, again, other = (float(value(varied, example(varied, seed=s)).value) for s in (0, 0, 1))
    assert first == again != other
