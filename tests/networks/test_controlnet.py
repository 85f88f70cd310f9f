"""ControlNets attached to a U-Net: what they add, when, and that they leave no trace. Parity stands in tests/parity."""

from dataclasses import replace
from math import inf

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from building import drawn, stirred
from unnoise.core.branch import View
from unnoise.core.clock import Rows
from unnoise.core.denoiser import Denoiser
from unnoise.core.error import Refused
from unnoise.core.prediction import Epsilon
from unnoise.core.schedule import Betas
from unnoise.networks.controlnet import Control, Controlled, ControlNet, ControlNetConfig, between
from unnoise.networks.ldm_unet import LDMUNet, LDMUNetCondition, LDMUNetConfig
from unnoise.spacings.leading import Leading

SIZES = {"widths": (16, 32), "blocks": 1, "depths": (1, 0), "heads": (2, 2), "context": 8, "groups": 4}
CONFIG = ControlNetConfig(**SIZES, hint=(4, 4, 8, 8))
TIME = torch.tensor([5.0, 500.0])
ASKED = LDMUNetCondition(context=drawn(2, 5, 8, seed=2), control=drawn(2, 1, 3, 64, 64, seed=3).sigmoid())
X = drawn(2, 4, 8, 8)


def unet(**more):
    torch.manual_seed(0)
    return LDMUNet(LDMUNetConfig(**SIZES, **more)).eval()


def control(seed=1, **more):
    torch.manual_seed(seed)
    return ControlNet(replace(CONFIG, **more)).eval()


def plain(condition=ASKED):
    return replace(condition, control=None)


@torch.no_grad()
def test_attached_it_changes_the_output_and_leaves_both_networks_as_they_were():
    network, net = unet(), control()
    before, keys = network(X, TIME, plain()), set(network.state_dict())
    attached = Controlled(network, [Control(net)])
    assert not torch.allclose(attached(X, TIME, ASKED), before, atol=1e-4)
    assert torch.equal(network(X, TIME, plain()), before) and set(network.state_dict()) == keys
    own = {p.data_ptr() for module in (network, net) for p in module.parameters()}
    assert {p.data_ptr() for p in attached.parameters()} == own


@torch.no_grad()
def test_weights_scale_what_is_found_and_no_weight_is_no_control():
    network, net, found = unet(), control(), []
    network.register_forward_pre_hook(lambda _, args: found.append(args[2].residuals))
    for weight in (1.0, 0.5, 0.0):
        Controlled(network, [Control(net, weight)])(X, TIME, ASKED)
    whole, half, none = found
    assert none is None and len(whole) == len(CONFIG.left) + 1
    assert all(torch.allclose(a, 2 * b) for a, b in zip(whole, half, strict=True))


@torch.no_grad()
def test_several_add_up_each_with_its_picture():
    network, nets, found = unet(), [control(seed) for seed in (1, 2)], []
    network.register_forward_pre_hook(lambda _, args: found.append(args[2].residuals))
    both = replace(ASKED, control=torch.cat([ASKED.control, drawn(2, 1, 3, 64, 64, seed=8).sigmoid()], 1))
    for which in ((0,), (1,), (0, 1)):
        attached = Controlled(network, [Control(nets[i]) for i in which])
        attached(X, TIME, replace(both, control=both.control[:, which]))
    first, second, together = found
    assert all(torch.allclose(a + b, c, atol=1e-6) for a, b, c in zip(first, second, together, strict=True))


@torch.no_grad()
def test_averaged_it_finds_the_same_for_all_cells():
    found = control(averaged=True)(X, TIME, ASKED, ASKED.control[:, 0])
    cells = control()(X, TIME, ASKED, ASKED.control[:, 0])
    assert all(torch.allclose(a, c.mean((2, 3), keepdim=True), atol=1e-6) for a, c in zip(found, cells, strict=True))


@torch.no_grad()
def test_channels_beside_the_sample_are_the_u_net_s_alone():
    condition = replace(ASKED, extra=drawn(2, 5, 8, 8, seed=5))
    out = Controlled(unet(extra=5), [Control(control())])(X, TIME, condition)
    assert out.shape == X.shape
    net = control()
    assert torch.equal(net(X, TIME, condition, ASKED.control[:, 0])[0], net(X, TIME, ASKED, ASKED.control[:, 0])[0])


@torch.no_grad()
def test_a_view_weakens_the_network_and_keeps_the_control():
    network, net = unet(), control()
    attached, view = Controlled(network, [Control(net)]), View("skipped")
    expected = Controlled(network.view(view), [Control(net)])(X, TIME, ASKED)
    assert torch.equal(attached.view(view)(X, TIME, ASKED), expected)
    assert not torch.allclose(expected, attached(X, TIME, ASKED), atol=1e-4)
    with pytest.raises(Refused, match="no weaker view"):
        Controlled(torch.nn.Identity(), []).view(view)


@torch.no_grad()
def test_a_sample_does_not_depend_on_its_neighbours_and_conditions_run_as_one_batch():
    attached = Controlled(unet(), [Control(control())])
    halves = [ASKED.map(lambda v, i=i: v[i : i + 1]) for i in range(2)]
    together = attached(X, TIME, halves[0].cat(halves[1]))
    for i in range(2):
        alone = attached(X[i : i + 1], TIME[i : i + 1], halves[i])
        assert torch.allclose(alone, together[i : i + 1], atol=1e-5)


@pytest.mark.parametrize("pictures", [None, drawn(2, 2, 3, 64, 64)])
def test_another_number_of_pictures_is_refused(pictures):
    with pytest.raises(Refused, match="control pictures for 1 ControlNets"):
        Controlled(unet(), [Control(control())])(X, TIME, replace(ASKED, control=pictures))


def test_a_picture_of_another_size_is_refused():
    with pytest.raises(Refused, match=r"56 x 64 pixels.*64 x 64"):
        Controlled(unet(), [Control(control())])(X, TIME, replace(ASKED, control=drawn(2, 1, 3, 64, 56)))


def test_gradient_reaches_every_parameter():
    attached = Controlled(unet().requires_grad_(False), [Control(stirred(control(), 0.05))])
    attached(X, TIME, ASKED).square().sum().backward()
    missing = [n for n, p in attached.attached.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert missing == []


@given(st.integers(1, 30), st.floats(0, 1), st.floats(0, 1))
def test_it_acts_on_the_steps_between_start_and_end(steps, start, end):
    trajectory, clock = Leading()(Betas(between="sigma"), steps), Rows()
    chosen = {i for i in range(steps) if not (i / steps < start or (i + 1) / steps > end)}
    if start >= end or not chosen:
        with pytest.raises(Refused, match="no step lies between"):
            between(trajectory, clock, start, end)
        return
    part = Control(control(), times=between(trajectory, clock, start, end))
    read = [clock(level).float().reshape(1) for level in trajectory.levels[:-1]]
    assert {i for i, time in enumerate(read) if part.acts(time)} == chosen


@torch.no_grad()
def test_where_it_does_not_act_it_is_not_asked():
    net, asked = control(), []
    net.register_forward_hook(lambda *_: asked.append(1))
    attached = Controlled(unet(), [Control(net, times=(100.0, inf))])
    low = attached(X, torch.tensor([3.0, 100.0]), ASKED)
    assert asked == [] and torch.equal(low, attached.network(X, torch.tensor([3.0, 100.0]), plain()))
    attached(X, TIME, ASKED)
    assert asked == [1]


@torch.no_grad()
def test_a_denoiser_takes_it_for_a_network():
    trajectory = Leading()(Betas(between="sigma"), 4)
    attached = Denoiser(Controlled(unet(), [Control(control())]), Epsilon(), Rows())
    assert attached.bind(ASKED)(X, trajectory.levels[1]).shape == X.shape
