"""Weakened views of networks: shared parameters, the original untouched, and what is left out is left out."""

import pytest
import torch

from building import drawn, stirred
from unnoise.core.branch import View
from unnoise.core.error import Refused
from unnoise.networks.dit import DiT, DiTConfig
from unnoise.networks.unet import UNet, UNetConfig
from unnoise.nn.attention import Attention

SMALL = {"patch": 4, "width": 32, "depth": 3, "heads": 2, "context": 8}
TIME = torch.tensor([0.3, 0.7])


def dit(**fields):
    torch.manual_seed(0)
    return stirred(DiT(DiTConfig(**(SMALL | fields))), 0.2).eval()


def unet(**fields):
    torch.manual_seed(0)
    config = {"width": 16, "multipliers": (1, 2), "blocks": 1, "attention": (2,), "head_width": 8, "context": 8}
    return stirred(UNet(UNetConfig(**(config | fields))), 0.2).eval()


def said(network):
    mask = torch.tensor([[True] * 3, [True, True, False]])
    return network.Condition(context=drawn(2, 3, 8, seed=2), mask=mask, pooled=drawn(2, 8, seed=3))


NETWORKS = {
    "joint": dit,
    "cross": lambda: dit(attention="cross"),
    "block": lambda: dit(modulation="block"),
    "unet": unet,
}
networks = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
changes = pytest.mark.parametrize("change", ["apart", "skipped"])


def run(network, x=None):
    with torch.no_grad():
        return network(drawn(2, 3, 8, 8) if x is None else x, TIME, said(network))


@networks
@changes
def test_a_view_shares_its_storage_and_leaves_the_network_as_it_was(make, change):
    network = make()
    before, keys = run(network), {n: (p.data_ptr(), p._version) for n, p in network.named_parameters()}
    view = network.view(View(change))
    own = {p.data_ptr() for p in network.parameters()}
    assert {p.data_ptr() for p in view.parameters()} <= own
    assert not torch.allclose(run(view), before, atol=1e-4)
    assert torch.equal(run(network), before)
    assert {n: (p.data_ptr(), p._version) for n, p in network.named_parameters()} == keys


@networks
@changes
def test_none_named_is_the_middle_layer_and_others_are_others(make, change):
    network = make()
    count = 3  # of blocks in these DiTs, and of attention layers in this U-Net: down, middle, up
    middle = run(network.view(View(change)))
    each = [run(network.view(View(change, (i,)))) for i in range(count)]
    assert torch.equal(middle, each[1]) and not torch.allclose(each[0], each[2], atol=1e-4)
    beyond = 4 if make is unet else count
    with pytest.raises(Refused, match=f"no layer {beyond}"):
        network.view(View(change, (beyond,)))


@pytest.mark.parametrize("make", [dit, lambda: dit(attention="cross")])
def test_a_skipped_block_is_as_if_it_were_not_there(make):
    network = make()
    view = network.view(View("skipped", (0, 2)))
    assert list(view.blocks) == [network.blocks[1]] and len(network.blocks) == 3
    network.blocks = torch.nn.ModuleList([network.blocks[1]])
    assert torch.equal(run(view), run(network))


def test_perturbed_patches_of_a_network_of_one_block_do_not_see_each_other():
    """Only attention mixes them, so a patch's own output follows nothing but its own input, and the text."""
    for make in (lambda: dit(depth=1), lambda: dit(depth=1, attention="cross")):
        network = make()
        x = drawn(2, 3, 8, 8)
        moved = x.clone()
        moved[:, :, :4, :4] += 1
        for seen, part in ((True, network), (False, network.view(View("apart")))):
            there = (run(part, moved) - run(part, x)).abs().amax((0, 1))
            assert bool(there[4:, 4:].max() > 1e-5) is seen and there[:4, :4].max() > 1e-3


@pytest.mark.parametrize("attention", ["joint", "cross"])
def test_perturbed_patches_still_see_the_text(attention):
    network = dit(depth=1, attention=attention)
    view, x = network.view(View("apart")), drawn(2, 3, 8, 8)
    other = network.Condition(context=drawn(2, 3, 8, seed=9), mask=said(network).mask, pooled=said(network).pooled)
    with torch.no_grad():
        assert not torch.allclose(view(x, TIME, other), run(view, x), atol=1e-4)
        hidden = network.Condition(
            context=torch.cat([said(network).context[:, :2], drawn(2, 1, 8, seed=9)], 1),
            mask=torch.tensor([[True, True, False]] * 2),
            pooled=said(network).pooled,
        )
        same = network.Condition(context=said(network).context, mask=hidden.mask, pooled=hidden.pooled)
        torch.testing.assert_close(view(x, TIME, hidden), view(x, TIME, same))  # masked tokens stay unseen


def test_apart_is_attention_under_a_mask_of_ones_on_the_diagonal():
    torch.manual_seed(0)
    layer, x = stirred(Attention(16, 2)), drawn(2, 5, 16)
    torch.testing.assert_close(layer.apart(x), layer(x, mask=torch.eye(5, dtype=torch.bool).expand(2, 5, 5)))


def test_a_u_net_without_attention_but_in_the_middle_has_that_one_layer():
    network = unet(attention=())
    assert not torch.allclose(run(network.view(View("apart", (0,)))), run(network), atol=1e-4)
    with pytest.raises(Refused, match="its layers are 0 to 0"):
        network.view(View("skipped", (1,)))


def test_a_view_runs_with_gradient_too():
    network = dit()
    x = drawn(2, 3, 8, 8).requires_grad_()
    network.view(View("apart"))(x, TIME, said(network)).sum().backward()
    assert x.grad.isfinite().all() and network.blocks[1].attention.out.weight.grad.abs().sum() > 0
