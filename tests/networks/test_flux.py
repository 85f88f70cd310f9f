"""Flux's transformer with and without a guidance number: shapes, what may and must not influence what, views."""

from dataclasses import replace

import pytest
import torch

from building import drawn, stirred
from unnoise.core.branch import View
from unnoise.core.error import Refused
from unnoise.networks import NETWORKS
from unnoise.networks.flux import Flux, FluxCondition, FluxConfig
from unnoise.nn.rope import axis_turns

DEV = FluxConfig(channels=4, width=32, heads=2, depth=2, singles=2, context=12, pooled=8, axes=(4, 4, 8))
KINDS = {"dev": DEV, "schnell": replace(DEV, guidance=False)}
kinds = pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
TIME = torch.tensor([5.0, 800.0])


def made(config):
    torch.manual_seed(0)
    return stirred(Flux(config), 0.2).eval()


def said(config, length=5, counted=None, seed=2):
    mask = None if counted is None else torch.arange(length)[None] < torch.tensor(counted)[:, None]
    guidance = torch.tensor([3.5, 2.0]) if config.guidance else None
    context, pooled = drawn(2, length, 12, seed=seed), drawn(2, 8, seed=seed + 1)
    return FluxCondition(context=context, pooled=pooled, guidance=guidance, mask=mask)


@kinds
@pytest.mark.parametrize("size", [(2, 2), (8, 12), (16, 8)])
def test_the_output_has_the_input_s_shape(config, size):
    x = drawn(2, 4, *size)
    assert made(config)(x, TIME, said(config)).shape == x.shape


@kinds
def test_untrained_it_gives_nothing(config):
    assert (Flux(config)(drawn(2, 4, 8, 8), TIME, said(config)) == 0).all()


@kinds
def test_gradient_reaches_every_parameter(config):
    network = made(config).train()
    network(drawn(2, 4, 8, 8), TIME, said(config)).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@kinds
@torch.no_grad()
def test_a_sample_does_not_depend_on_its_neighbours(config):
    network, x, condition = made(config), drawn(2, 4, 8, 8), said(config)
    together = network(x, TIME, condition)
    for i in range(2):
        alone = network(x[i : i + 1], TIME[i : i + 1], condition.map(lambda v, i=i: v[i : i + 1]))
        torch.testing.assert_close(alone, together[i : i + 1], atol=1e-4, rtol=1e-4)


@kinds
@torch.no_grad()
def test_masked_tokens_have_no_influence_and_others_have(config):
    network, x, condition = made(config), drawn(2, 4, 8, 8), said(config, counted=[3, 5])
    noise = drawn(2, 5, 12, seed=9)
    hidden = replace(condition, context=torch.where(condition.mask[..., None], condition.context, noise))
    seen = replace(condition, context=torch.where(condition.mask[..., None], noise, condition.context))
    out = network(x, TIME, condition)
    torch.testing.assert_close(network(x, TIME, hidden), out)
    assert (network(x, TIME, seen) - out).abs().amax((1, 2, 3)).min() > 1e-3


@kinds
@torch.no_grad()
def test_time_guidance_and_the_whole_text_matter(config):
    network, x, condition = made(config), drawn(2, 4, 8, 8), said(config)
    out = network(x, TIME, condition)
    assert (network(x, TIME + 100, condition) - out).abs().max() > 1e-3
    assert (network(x, TIME, replace(condition, pooled=-condition.pooled)) - out).abs().max() > 1e-3
    if config.guidance:
        assert (network(x, TIME, replace(condition, guidance=condition.guidance + 1)) - out).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("config", "other", "remedy"), [(DEV, KINDS["schnell"], "3.5"), (KINDS["schnell"], DEV, "no ")]
)
def test_a_guidance_number_is_neither_missed_nor_ignored(config, other, remedy):
    with pytest.raises(Refused, match=remedy):
        Flux(config)(drawn(2, 4, 8, 8), TIME, said(other))


@torch.no_grad()
def test_places_in_the_picture_are_told_apart_and_words_have_none():
    network, x, condition = made(DEV), drawn(2, 4, 8, 8), said(DEV)
    turned = network(x.flip(2, 3), TIME, condition).flip(2, 3)
    assert (turned - network(x, TIME, condition)).abs().max() > 1e-3
    others = replace(condition, context=condition.context.flip(1))
    torch.testing.assert_close(network(x, TIME, others), network(x, TIME, condition), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("change", ["skipped", "apart"])
@torch.no_grad()
def test_a_view_shares_its_storage_and_leaves_the_network_as_it_was(change):
    network, x, condition = made(DEV), drawn(2, 4, 8, 8), said(DEV)
    before = network(x, TIME, condition)
    each = [network.view(View(change, (i,)))(x, TIME, condition) for i in range(4)]
    for i in range(4):
        assert not torch.allclose(each[i], before, atol=1e-3)
        assert all(not torch.allclose(each[i], each[j], atol=1e-3) for j in range(i))
    view = network.view(View(change))
    assert {p.data_ptr() for p in view.parameters()} <= {p.data_ptr() for p in network.parameters()}
    assert torch.equal(view(x, TIME, condition), each[2])
    assert torch.equal(network(x, TIME, condition), before)
    with pytest.raises(Refused, match="no layer 4"):
        network.view(View(change, (4,)))


def test_skipped_blocks_are_counted_through_both_kinds():
    network = made(DEV)
    view = network.view(View("skipped", (1, 2)))
    assert list(view.double_blocks) == [network.double_blocks[0]]
    assert list(view.single_blocks) == [network.single_blocks[1]]


@pytest.mark.parametrize("sizes", [{"depth": 1, "singles": 0}, {"depth": 0, "singles": 1}])
@torch.no_grad()
def test_perturbed_cells_of_a_network_of_one_block_see_the_text_and_not_each_other(sizes):
    network = made(replace(DEV, **sizes))
    view, x, condition = network.view(View("apart")), drawn(2, 4, 8, 8), said(DEV)
    moved = x.clone()
    moved[:, :, :2, :2] += 1
    for part, seen in ((network, True), (view, False)):
        change = (part(moved, TIME, condition) - part(x, TIME, condition)).abs().amax((0, 1))
        assert bool(change[2:].max() > 1e-4) is seen and change[:2, :2].max() > 1e-3
    assert (view(x, TIME, said(DEV, seed=8)) - view(x, TIME, condition)).abs().max() > 1e-3


@torch.no_grad()
def test_in_float16_what_grew_too_large_stays_a_number():
    network = made(DEV).half()
    turns = axis_turns((1, 2, 2), DEV.axes, 5, DEV.period, torch.device("cpu"))
    text, cells, vector = drawn(2, 5, 32).half(), drawn(2, 4, 32).half(), drawn(2, 32).half()
    double, single = network.double_blocks[0], network.single_blocks[0]
    double.txt_mlp[2].bias.fill_(6e4)
    double.txt_mod.lin.bias[-32:].fill_(30)
    single.linear2.bias.fill_(6e4)
    single.modulation.lin.bias[-32:].fill_(30)
    text = double(text, cells, vector, turns, None)[0]
    tokens = single(torch.cat([text, cells], 1), 5, vector, turns, None)
    for found in (text, tokens):
        assert found.dtype == torch.float16 and found.isfinite().all() and found.abs().max() == 65504


@pytest.mark.slow
@torch.no_grad()
def test_blocks_are_compiled_whole():
    network, x = made(DEV), drawn(2, 4, 8, 8)
    before = network(x, TIME, said(DEV))
    for block in [*network.double_blocks, *network.single_blocks]:
        block.compile(backend="eager", fullgraph=True)  # a part that cannot be traced would be an error
    torch.testing.assert_close(network(x, TIME, said(DEV)), before)


def test_it_is_built_without_memory_and_the_folder_knows_it():
    with torch.device("meta"):
        network = Flux(DEV)
    assert {v.device.type for v in network.state_dict().values()} == {"meta"}
    assert NETWORKS["flux"] is Flux and Flux.multiple(DEV) == 2
