"""The codec's objective: what its terms are worth, that crops are crops, and that a critic's step is its own."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from building import drawn
from unnoise.networks.autoencoder import Autoencoder, AutoencoderConfig
from unnoise.train.objective import Example
from unnoise.train.objectives.codec import Coding, Critic, haar


@pytest.fixture
def coding():
    torch.manual_seed(0)
    return Coding(codec=Autoencoder(AutoencoderConfig(channels=2, widths=(4, 6), blocks=1, smooth=2)))


def example(size=32, seed=0):
    return Example(drawn(2, 3, size, size).clamp(-1, 1), None, torch.Generator().manual_seed(seed))


@given(st.integers(1, 9), st.integers(1, 9))
def test_haar_is_orthonormal_on_even_sides(height, width):
    x = drawn(2, 3, 2 * height, 2 * width)
    means, details = haar(x)
    assert means.shape == (2, 3, height, width) and details.shape == (2, 3, 3, height, width)
    torch.testing.assert_close(means.square().sum() + details.square().sum(), x.square().sum())


def test_haar_s_details_are_horizontal_vertical_and_both():
    stripes = torch.tensor([1.0, -1.0]).repeat(2)
    for index, x in enumerate((stripes.expand(4, 4), stripes[:, None].expand(4, 4), stripes * stripes[:, None])):
        means, details = haar(x[None, None])
        assert not means.any()
        assert [bool(d.any()) for d in details[0]] == [i == index for i in range(3)]


def test_a_flat_error_counts_as_itself_and_stripes_count_more(coding):
    data = torch.zeros(1, 3, 16, 16)
    assert float(coding.errors(data + 0.1, data)) == pytest.approx(0.1)
    stripes = 0.1 * torch.tensor([1.0, -1.0]).repeat(8).expand(1, 3, 16, 16)
    # L1 0.1, and of the first level's three kinds of detail one, each coefficient 0.2, over three levels
    assert float(coding.errors(stripes, data)) == pytest.approx(0.1 + 0.2 / 3 / 3)
    assert float(replace(coding, details=0.0).errors(stripes, data)) == pytest.approx(0.1)


def test_one_loss_without_a_critic_and_it_is_a_function_of_the_step_s_randomness(coding):
    def value(made, seed):
        (loss,) = made(example(seed=seed))
        assert loss.role == "model"
        return float(loss.value.detach())

    assert value(coding, 1) == value(coding, 1) != value(coding, 2)
    still = replace(coding, jitter=0.0)
    assert value(still, 1) == value(still, 2)


def test_crops_are_of_the_side_asked_for_anywhere(coding, monkeypatch):
    seen = []
    monkeypatch.setattr(Autoencoder, "forward", lambda _, x, __: seen.append(x) or x)
    data = torch.arange(32.0).expand(1, 3, 32, 32) / 16 - 1
    for seed in range(200):
        list(replace(coding, crop=16)(Example(data, None, torch.Generator().manual_seed(seed))))
    assert {x.shape for x in seen} == {(1, 3, 16, 16)}
    lefts = {round(float((x[0, 0, 0, 0] + 1) * 16)) for x in seen}
    assert min(lefts) == 0 and max(lefts) == 16 and len(lefts) > 8


def test_a_critic_is_trained_on_its_own_loss_alone(coding):
    judged = replace(coding, critic=Critic(width=4))
    losses = judged(example())
    loss = next(losses)
    loss.value.backward()
    assert loss.role == "model" and all(p.grad is None for p in judged.critic.parameters())
    before = [p.grad.clone() for p in judged.codec.parameters() if p.grad is not None]
    loss = next(losses)
    loss.value.backward()
    assert loss.role == "critic" and all(p.grad is not None for p in judged.critic.parameters())
    assert float(loss.value.detach()) == pytest.approx(2.0, abs=0.2)  # it has no opinion yet
    after = [p.grad for p in judged.codec.parameters() if p.grad is not None]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert next(losses, None) is None


def test_gradient_reaches_every_weight(coding):
    for parameter in coding.codec.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    next(iter(coding(example()))).value.backward()
    assert [n for n, p in coding.codec.named_parameters() if p.grad is None or not p.grad.any()] == []
