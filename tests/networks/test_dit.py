"""The diffusion transformer in all its forms: shapes, beginnings, what may and what must not influence what."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from building import drawn, reader, stirred, there_and_back
from unnoise.core.model import Wish
from unnoise.networks import NETWORKS
from unnoise.networks.dit import DiT, DiTCondition, DiTConfig, still_after
from unnoise.nn.patch import patchify, unpatchify
from unnoise.nn.rope import grid_angles

SMALL = DiTConfig(channels=3, patch=4, width=32, depth=2, heads=2, context=16, head_channels=6)
FORMS = [
    replace(SMALL, attention=attention, modulation=modulation, head=head)
    for attention, modulation, head in product(("joint", "cross"), ("shared", "block"), ("linear", "conv"))
]


def named(config):
    return f"{config.attention}-{config.modulation}-{config.head}"


forms = pytest.mark.parametrize("config", FORMS, ids=named)


def words(batch, length=5, counted=None, seed=2):
    mask = torch.arange(length)[None] < torch.tensor(counted or [length] * batch)[:, None]
    return DiTCondition(context=drawn(batch, length, 16, seed=seed), mask=mask, pooled=drawn(batch, 16, seed=seed + 1))


def made(config):
    torch.manual_seed(0)
    return stirred(DiT(config)).eval()


@forms
@pytest.mark.parametrize("size", [(4, 4), (8, 12), (16, 8)])
def test_the_output_has_the_input_s_shape(config, size):
    x = drawn(2, 3, *size)
    assert made(config)(x, torch.tensor([1.0, 900.0]), words(2)).shape == x.shape


@forms
def test_untrained_it_gives_nothing(config):
    out = DiT(config)(drawn(2, 3, 8, 8), torch.tensor([1.0, 900.0]), words(2))
    assert (out == 0).all()


@forms
def test_gradient_reaches_every_parameter(config):
    network, condition = made(config).train(), words(2, counted=[5, 3])
    network(drawn(2, 3, 8, 8), torch.tensor([10.0, 900.0]), condition).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@forms
def test_a_sample_does_not_depend_on_its_neighbours(config):
    network, x, time, condition = made(config), drawn(3, 3, 8, 8), torch.tensor([5.0, 500.0, 900.0]), words(3)
    with torch.no_grad():
        together = network(x, time, condition)
        for i in range(3):
            alone = network(x[i : i + 1], time[i : i + 1], condition.map(lambda v, i=i: v[i : i + 1]))
            assert torch.allclose(alone, together[i : i + 1], atol=1e-5)


@forms
@torch.no_grad()
def test_masked_tokens_have_no_influence_and_others_have(config):
    network, x, time = made(config), drawn(2, 3, 8, 8), torch.tensor([5.0, 500.0])
    condition = words(2, counted=[3, 5])
    noise = drawn(2, 5, 16, seed=9) * 10
    hidden = replace(condition, context=torch.where(condition.mask[..., None], condition.context, noise))
    seen = replace(condition, context=torch.where(condition.mask[..., None], noise, condition.context))
    out = network(x, time, condition)
    assert torch.equal(network(x, time, hidden), out)
    assert (network(x, time, seen) - out).abs().amax((1, 2, 3)).min() > 1e-4


@forms
@torch.no_grad()
def test_conditions_of_two_lengths_run_as_one_batch(config):
    network, x, time = made(config), drawn(2, 3, 8, 8), torch.tensor([5.0, 500.0])
    short, long = words(1, 3, seed=3), words(1, 7, seed=5)
    together = network(x, time, short.cat(long))
    apart = torch.cat([network(x[:1], time[:1], short), network(x[1:], time[1:], long)])
    assert torch.allclose(together, apart, atol=1e-5)


@forms
@torch.no_grad()
def test_time_and_pooled_text_matter(config):
    network, x, time, condition = made(config), drawn(1, 3, 8, 8), torch.tensor([5.0]), words(1)
    out = network(x, time, condition)
    assert (network(x, time + 300, condition) - out).abs().max() > 1e-4
    assert (network(x, time, replace(condition, pooled=-condition.pooled)) - out).abs().max() > 1e-4


@forms
@torch.no_grad()
def test_a_network_in_bfloat16_stays_in_it(config):
    network = made(config).to(torch.bfloat16)
    condition = words(2).to(torch.bfloat16)
    out = network(drawn(2, 3, 8, 8).bfloat16(), torch.tensor([5.0, 500.0]), condition)
    assert out.dtype == torch.bfloat16 and torch.isfinite(out).all()


@forms
def test_it_is_built_without_memory(config):
    with torch.device("meta"):
        network = DiT(config)
    assert {p.device.type for p in network.parameters()} == {"meta"}
    assert network.state_dict().keys() == DiT(config).state_dict().keys()


@forms
@torch.no_grad()
def test_its_file_gives_it_back(config, tmp_path):
    model, again = there_and_back(made(config), reader(DiT.Condition).eval(), tmp_path)
    assert again.denoiser.network.config == config
    x, time = drawn(2, 3, 8, 8), torch.tensor([5.0, 500.0])
    outs = [
        m.denoiser.network(x, time, m.conditioner(m.conditioner.prepare([Wish("a red fox"), Wish("")])))
        for m in (model, again)
    ]
    assert torch.allclose(*outs, atol=1e-6)  # weights lie elsewhere in memory, which may change the last bit


@pytest.mark.parametrize("attention", ["joint", "cross"])
@torch.no_grad()
def test_without_words_a_text_network_runs_all_the_same(attention):
    network = made(replace(SMALL, attention=attention))
    assert torch.isfinite(network(drawn(1, 3, 8, 8), torch.tensor([5.0]), DiTCondition())).all()


def test_a_network_without_text_has_no_layer_for_it():
    names = DiT(replace(SMALL, context=0)).state_dict()
    assert not [n for n in names if "pooled" in n or "words" in n or "cross" in n]


def test_sides_are_multiples_of_the_patch_and_the_folder_knows_it():
    assert DiT.multiple(SMALL) == 4 and NETWORKS["dit"] is DiT


def test_dropout_is_for_training_only():
    network, args = made(replace(SMALL, dropout=0.5)), (drawn(1, 3, 8, 8), torch.tensor([5.0]), words(1))
    assert torch.equal(network(*args), network(*args))
    network.train()
    assert not torch.equal(network(*args), network(*args))


def test_words_beside_the_picture_do_not_turn():
    cos, sin = still_after(grid_angles((2, 2), 8), 3)
    assert cos.shape == sin.shape == (7, 4)
    assert (cos[4:] == 1).all() and (sin[4:] == 0).all()


@torch.no_grad()
def test_places_in_the_picture_are_told_apart():
    # Of equal patches a transformer without positions would make equal patches.
    network = made(replace(SMALL, context=0))
    out = network(torch.ones(1, 3, 8, 8), torch.tensor([5.0]), DiTCondition())
    assert torch.allclose(out[..., :4, :4], out[..., 4:, 4:], atol=1e-6)  # softmax over equal values is no place
    x = drawn(1, 3, 8, 8)
    flipped = network(unpatchify(patchify(x, 4).flip(1), 4, (2, 2)), torch.tensor([5.0]), DiTCondition())
    straight = unpatchify(patchify(network(x, torch.tensor([5.0]), DiTCondition()), 4).flip(1), 4, (2, 2))
    assert (flipped - straight).abs().max() > 1e-4
