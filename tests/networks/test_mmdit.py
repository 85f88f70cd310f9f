"""Stable Diffusion 3's transformer in its three forms: shapes, what may and what must not influence what, views."""

from dataclasses import replace

import pytest
import torch

from building import drawn, stirred
from unnoise.core.branch import View
from unnoise.core.error import Refused
from unnoise.networks import NETWORKS
from unnoise.networks.mmdit import MMDiT, MMDiTCondition, MMDiTConfig, places

SMALL = MMDiTConfig(channels=4, width=32, depth=3, heads=4, context=12, pooled=8, positions=8)
FORMS = {"3": SMALL, "3.5 large": replace(SMALL, normed=True), "3.5 medium": replace(SMALL, normed=True, dual=(0, 1))}
forms = pytest.mark.parametrize("config", FORMS.values(), ids=FORMS)
TIME = torch.tensor([5.0, 800.0])


def made(config):
    torch.manual_seed(0)
    return stirred(MMDiT(config), 0.2).eval()


def said(batch=2, length=5, counted=None, seed=2):
    mask = None if counted is None else torch.arange(length)[None] < torch.tensor(counted)[:, None]
    return MMDiTCondition(context=drawn(batch, length, 12, seed=seed), pooled=drawn(batch, 8, seed=seed + 1), mask=mask)


@forms
@pytest.mark.parametrize("size", [(2, 2), (8, 12), (16, 8)])
def test_the_output_has_the_input_s_shape(config, size):
    x = drawn(2, 4, *size)
    assert made(config)(x, TIME, said()).shape == x.shape


@forms
def test_untrained_it_gives_nothing(config):
    assert (MMDiT(config)(drawn(2, 4, 8, 8), TIME, said()) == 0).all()


@forms
def test_gradient_reaches_every_parameter(config):
    network = made(config).train()
    network(drawn(2, 4, 8, 8), TIME, said()).square().sum().backward()
    lost = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # The last block's text is only looked at: nobody asks what it would ask.
    assert lost == [n for n in lost if n.startswith("joint_blocks.2.context_block.attn.ln_q")]


@forms
@torch.no_grad()
def test_a_sample_does_not_depend_on_its_neighbours(config):
    network, x, condition = made(config), drawn(2, 4, 8, 8), said()
    together = network(x, TIME, condition)
    for i in range(2):
        alone = network(x[i : i + 1], TIME[i : i + 1], condition.map(lambda v, i=i: v[i : i + 1]))
        torch.testing.assert_close(alone, together[i : i + 1], atol=1e-4, rtol=1e-4)


@forms
@torch.no_grad()
def test_masked_tokens_have_no_influence_and_others_have(config):
    network, x, condition = made(config), drawn(2, 4, 8, 8), said(counted=[3, 5])
    noise = drawn(2, 5, 12, seed=9)
    hidden = replace(condition, context=torch.where(condition.mask[..., None], condition.context, noise))
    seen = replace(condition, context=torch.where(condition.mask[..., None], noise, condition.context))
    out = network(x, TIME, condition)
    torch.testing.assert_close(network(x, TIME, hidden), out)
    assert (network(x, TIME, seen) - out).abs().amax((1, 2, 3)).min() > 1e-3
    short = condition.map(lambda v: v[:1, :3] if v.ndim > 1 and v.shape[1] == 5 else v[:1])
    torch.testing.assert_close(network(x[:1], TIME[:1], replace(short, mask=None)), out[:1], atol=1e-4, rtol=1e-4)


@forms
@torch.no_grad()
def test_time_and_the_whole_text_matter(config):
    network, x, condition = made(config), drawn(2, 4, 8, 8), said()
    out = network(x, TIME, condition)
    assert (network(x, TIME + 100, condition) - out).abs().max() > 1e-3
    assert (network(x, TIME, replace(condition, pooled=-condition.pooled)) - out).abs().max() > 1e-3


@torch.no_grad()
def test_a_picture_takes_the_middle_of_the_places():
    network = MMDiT(SMALL)
    table = torch.arange(64.0).reshape(1, 64, 1).expand(1, 64, 32)
    network.pos_embed = table
    assert network._places((2, 4))[0, :, 0].tolist() == [26, 27, 28, 29, 34, 35, 36, 37]
    assert network._places((8, 8))[0, :, 0].tolist() == list(range(64))


def test_a_picture_larger_than_the_places_is_refused():
    with pytest.raises(Refused, match="up to 16"):
        MMDiT(SMALL)(drawn(1, 4, 8, 18), TIME[:1], said(1))


def test_places_tell_rows_and_columns_apart():
    table = places(4, 8)[0]
    assert len(table.unique(dim=0)) == 16
    assert torch.equal(table[:4, 4:], table[:1, 4:].expand(4, -1))  # one row
    assert torch.equal(table[::4, :4], table[:1, :4].expand(4, -1))  # one column


@forms
@pytest.mark.parametrize("change", ["skipped", "apart"])
@torch.no_grad()
def test_a_view_shares_its_storage_and_leaves_the_network_as_it_was(config, change):
    network, x = made(config), drawn(2, 4, 8, 8)
    before = network(x, TIME, said())
    view = network.view(View(change))
    assert {p.data_ptr() for p in view.parameters()} <= {p.data_ptr() for p in network.parameters()}
    assert not torch.allclose(view(x, TIME, said()), before, atol=1e-3)
    assert torch.equal(network.view(View(change, (1,)))(x, TIME, said()), view(x, TIME, said()))
    assert torch.equal(network(x, TIME, said()), before)
    with pytest.raises(Refused, match="no layer 3"):
        network.view(View(change, (3,)))


@forms
@torch.no_grad()
def test_a_skipped_block_is_as_if_it_were_not_there(config):
    network = made(config)
    view = network.view(View("skipped", (0, 2)))
    assert list(view.joint_blocks) == [network.joint_blocks[1]] and len(network.joint_blocks) == 3


@forms
@torch.no_grad()
def test_perturbed_cells_of_a_network_of_one_block_see_the_text_and_not_each_other(config):
    network = made(replace(config, depth=1))
    view, x = network.view(View("apart")), drawn(2, 4, 8, 8)
    moved = x.clone()
    moved[:, :, :2, :2] += 1
    for part, seen in ((network, True), (view, False)):
        change = (part(moved, TIME, said()) - part(x, TIME, said())).abs().amax((0, 1))
        assert bool(change[2:].max() > 1e-4) is seen and change[:2, :2].max() > 1e-3
    assert (view(x, TIME, said(seed=8)) - view(x, TIME, said())).abs().max() > 1e-3


@torch.no_grad()
def test_in_float16_text_that_grew_too_large_stays_a_number():
    block = made(SMALL).joint_blocks[0].half()
    block.context_block.mlp.fc2.bias.fill_(6e4)
    block.context_block.adaLN_modulation[1].bias[-32:].fill_(30)
    text, _ = block(drawn(2, 5, 32).half(), drawn(2, 4, 32).half(), drawn(2, 32).half(), None)
    assert text.dtype == torch.float16 and text.isfinite().all() and text.abs().max() == 65504


@pytest.mark.slow
@torch.no_grad()
def test_blocks_are_compiled_whole():
    network, x = made(FORMS["3.5 medium"]), drawn(2, 4, 8, 8)
    before = network(x, TIME, said())
    for block in network.joint_blocks:
        block.compile(backend="eager", fullgraph=True)  # a part that cannot be traced would be an error
    torch.testing.assert_close(network(x, TIME, said()), before)


def test_it_is_built_without_memory_and_the_folder_knows_it():
    with torch.device("meta"):
        network = MMDiT(SMALL)
    assert {v.device.type for v in network.state_dict().values()} == {"meta"}
    assert NETWORKS["mmdit"] is MMDiT and MMDiT.multiple(SMALL) == 2
