"""The latent-diffusion U-Net by itself: sizes, types, what may influence what, weakened views."""

from dataclasses import replace

import pytest
import torch

from building import drawn
from unnoise.core.branch import View
from unnoise.core.error import Refused
from unnoise.networks import NETWORKS
from unnoise.networks.ldm_unet import LDMUNet, LDMUNetCondition, LDMUNetConfig, Transformer
from unnoise.nn.native import HALVES

SMALL = LDMUNetConfig(widths=(16, 32), blocks=1, depths=(1, 2), middle=1, heads=(2, 2), context=8, groups=4)
FORMS = {
    "plain": SMALL,
    "vector": replace(SMALL, pooled=12, blocks=2),
    "beside": replace(SMALL, extra=5),
    "three levels": replace(SMALL, widths=(8, 16, 32), depths=(0, 1, 0), heads=(1, 2, 4)),
}
forms = pytest.mark.parametrize("config", FORMS.values(), ids=list(FORMS))
TIME = torch.tensor([5.0, 500.0])


def made(config):
    torch.manual_seed(0)
    return LDMUNet(config).eval()


def asked(config, size=(8, 8), length=5):
    return LDMUNetCondition(
        context=drawn(2, length, 8, seed=2),
        pooled=drawn(2, 12, seed=3) if config.pooled else None,
        extra=drawn(2, config.extra, *size, seed=4) if config.extra else None,
    )


@forms
@pytest.mark.parametrize("size", [(8, 8), (5, 9), (1, 3)])
@torch.no_grad()
def test_any_size_will_do(config, size):
    assert made(config)(drawn(2, 4, *size), TIME, asked(config, size)).shape == (2, 4, *size)
    assert NETWORKS["ldm_unet"] is LDMUNet


@forms
@torch.no_grad()
def test_a_sample_does_not_depend_on_its_neighbours(config):
    network, x, condition = made(config), drawn(2, 4, 8, 8), asked(config)
    together = network(x, TIME, condition)
    for i in range(2):
        alone = network(x[i : i + 1], TIME[i : i + 1], condition.map(lambda v, i=i: v[i : i + 1]))
        assert torch.allclose(alone, together[i : i + 1], atol=1e-5)


@forms
@torch.no_grad()
def test_all_that_is_told_matters(config):
    network, x, condition = made(config), drawn(2, 4, 8, 8), asked(config)
    out = network(x, TIME, condition)
    others = {"time": network(x, TIME + 300, condition)}
    for name, value in condition.tensors().items():
        others[name] = network(x, TIME, replace(condition, **{name: -value}))
    assert [name for name, other in others.items() if not (other - out).abs().max() > 1e-4] == []


@forms
def test_gradient_reaches_every_parameter_and_the_picture(config):
    network, x = made(config).train(), drawn(2, 4, 8, 8).requires_grad_()
    network(x, TIME, asked(config)).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert x.grad is not None and x.grad.abs().min() > 0


@torch.no_grad()
def test_masked_tokens_have_no_influence_and_lengths_may_differ():
    network, x, condition = made(SMALL), drawn(2, 4, 8, 8), asked(SMALL)
    mask = torch.arange(5)[None] < torch.tensor([[3], [5]])
    hidden = torch.where(mask[..., None], condition.context, 50.0)
    out = network(x, TIME, replace(condition, mask=mask))
    assert torch.equal(network(x, TIME, replace(condition, mask=mask, context=hidden)), out)
    one = LDMUNetCondition(context=condition.context[:1, :3], mask=mask[:1, :3])
    other = LDMUNetCondition(context=condition.context[1:], mask=mask[1:])
    assert torch.allclose(network(x, TIME, one.cat(other)), out, atol=1e-5)


@forms
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_half_precision_stays_near_and_is_nearer_where_it_is_not_native(monkeypatch, config, dtype):
    network, x, condition = made(config), drawn(2, 4, 8, 8), asked(config)
    expected, found = network(x, TIME, condition), []
    network.to(dtype)
    for computed in (dtype, torch.float32):
        monkeypatch.setitem(HALVES, dtype, computed)
        out = network(x.to(dtype), TIME, condition.to(dtype))
        assert out.dtype == dtype
        found.append(float((out.float() - expected).norm() / expected.norm()))
    assert found[1] < found[0] < 0.05


@torch.no_grad()
def test_features_lie_with_channels_side_by_side():
    network, found = made(SMALL), []
    network.down_blocks[0].resnets[0].register_forward_hook(lambda _module, _args, out: found.append(out))
    network(drawn(2, 4, 8, 8), TIME, asked(SMALL))
    assert found[0].is_contiguous(memory_format=torch.channels_last) and not found[0].is_contiguous()


@torch.no_grad()
def test_residuals_are_added_to_what_is_left_and_to_the_middle():
    network, x, condition = made(SMALL), drawn(2, 4, 8, 8), asked(SMALL)
    sizes = [(16, 8), (16, 8), (16, 4), (32, 4), (32, 4)]  # the entry, a block, the way down, a block; the middle
    nothing = tuple(torch.zeros(2, channels, side, side) for channels, side in sizes)
    out = network(x, TIME, condition)
    assert torch.equal(network(x, TIME, replace(condition, residuals=nothing)), out)
    for i in range(len(sizes)):
        one = tuple(r + (i == j) for j, r in enumerate(nothing))
        assert (network(x, TIME, replace(condition, residuals=one)) - out).abs().max() > 1e-3
    with pytest.raises(ValueError):
        network(x, TIME, replace(condition, residuals=nothing[:-1]))


def test_control_pictures_that_nothing_takes_are_refused():
    condition = replace(asked(SMALL), control=drawn(2, 1, 3, 64, 64))
    with pytest.raises(Refused, match="takes no control"):
        made(SMALL)(drawn(2, 4, 8, 8), TIME, condition)


def test_a_vector_that_is_not_given_is_refused():
    with pytest.raises(Refused, match="pooled"):
        made(FORMS["vector"])(drawn(2, 4, 8, 8), TIME, asked(SMALL))


@pytest.mark.parametrize("change", ["apart", "skipped"])
@torch.no_grad()
def test_views_weaken_one_transformer_and_share_parameters(change):
    network, x, condition = made(SMALL), drawn(2, 4, 8, 8), asked(SMALL)
    out, count = network(x, TIME, condition), 2 + 1 + 4  # down, middle, up
    views = [network.view(View(change, (i,))) for i in range(count)]
    found = [view(x, TIME, condition) for view in views]
    assert len({tuple(f.flatten().tolist()) for f in [out, *found]}) == count + 1
    assert torch.equal(network.view(View(change))(x, TIME, condition), found[2])
    assert torch.equal(network(x, TIME, condition), out)
    own = {p.data_ptr() for p in network.parameters()}
    assert all(p.data_ptr() in own for view in views for p in view.parameters())
    with pytest.raises(Refused, match="no layer 7"):
        network.view(View(change, (7,)))


@torch.no_grad()
def test_cells_apart_do_not_see_each_other():
    layer = Transformer(SMALL, 1, 2)
    x, context = drawn(1, 32, 4, 4), (drawn(1, 3, 8), None)
    layer.norm = torch.nn.Identity()  # the only other thing that mixes cells
    moved = x.clone()
    moved[..., 0, 0] += 1
    for apart in (False, True):
        layer.apart = apart
        there = (layer(moved, context) - layer(x, context)).abs().amax((0, 1))
        assert bool(there[1:, 1:].max() > 1e-6) is not apart and there[0, 0] > 1e-2


@pytest.mark.parametrize(
    "wrong",
    [
        {"widths": ()},
        {"blocks": 0},
        {"heads": (2,)},
        {"depths": (1,)},
        {"heads": (3, 2)},
        {"heads": (0, 2)},
        {"groups": 5},
        {"groups": 0},
        {"groups": 64},
    ],
)
def test_settings_that_make_no_network_are_refused(wrong):
    with pytest.raises(Refused):
        replace(SMALL, **wrong)


@forms
@pytest.mark.parametrize("view", [None, View("skipped", (0,)), View("apart", (0,))], ids=["whole", "skipped", "apart"])
@torch.no_grad()
def test_guesses_at_the_same_samples_are_those_of_samples_that_come_again(config, view):
    network = made(config) if view is None else made(config).view(view)
    x, condition = drawn(2, 4, 8, 8), asked(config).cat(asked(config).map(lambda v: -v)).cat(asked(config))
    expected = network(torch.cat([x] * 3), torch.cat([TIME] * 3), condition)
    assert torch.allclose(network(x, TIME, condition), expected, atol=1e-5)


@torch.no_grad()
def test_what_comes_before_the_text_is_computed_once_for_all_guesses():
    network, rows = made(SMALL), list[int]()
    first = network.down_blocks[0]
    for layer in (
        network.conv_in,
        first.resnets[0],
        first.attentions[0].transformer_blocks[0].attn1,
        first.resnets[-1],
    ):
        layer.register_forward_hook(lambda _module, _args, out: rows.append(len(out)))
    first.attentions[0].transformer_blocks[0].attn2.register_forward_hook(lambda _m, _a, out: rows.append(len(out)))
    network(drawn(2, 4, 8, 8), TIME, asked(SMALL).cat(asked(SMALL)))
    assert rows == [2, 2, 2, 2, 4]
