"""Convolutions of 3 x 3 cells by fewer multiplications."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from building import drawn
from unnoise.nn import winograd as way
from unnoise.nn.native import Conv2d
from unnoise.nn.winograd import BACK, CELLS, CHANNELS, TILE, WEIGHT, pays, winograd

sizes = st.integers(1, 11)


def error(found, x, weight, bias):
    """To the exact sum, relative to its largest value."""
    exact = torch.nn.functional.conv2d(x.double(), weight.double(), None if bias is None else bias.double(), padding=1)
    return float((found - exact).abs().max() / exact.abs().max())


@given(
    sizes=st.tuples(st.integers(1, 3), sizes, sizes, sizes, sizes),
    biased=st.booleans(),
    last=st.booleans(),
    budget=st.sampled_from((1, 2000, way.BUDGET)),
)
def test_it_is_the_convolution_at_any_size_and_layout(sizes, biased, last, budget):
    count, channels, kept, height, width = sizes
    x, weight = drawn(count, channels, height, width), drawn(kept, channels, 3, 3)
    bias = drawn(kept) if biased else None
    layout = torch.channels_last if last else torch.contiguous_format
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(way, "BUDGET", budget)
        found = winograd(x.contiguous(memory_format=layout), weight, bias)
    assert found.shape == (count, kept, height, width) and error(found, x, weight, bias) < 3e-6


@pytest.mark.parametrize(("channels", "kept", "side"), [(320, 320, 24), (1280, 256, 16), (64, 512, 33)])
def test_it_is_as_near_to_the_exact_sum_as_the_direct_way(channels, kept, side):
    x, weight, bias = drawn(2, channels, side, side), drawn(kept, channels, 3, 3), drawn(kept)
    direct = torch.nn.functional.conv2d(x, weight, bias, padding=1)
    assert error(winograd(x, weight, bias), x, weight, bias) < max(2 * error(direct, x, weight, bias), 1e-6)


def test_the_matrices_are_a_bilinear_algorithm_for_the_convolution():
    """Every product of a cell and a weight counts in exactly the sums that the convolution has it in."""
    tile, weight, back = (torch.tensor(m) for m in (TILE, WEIGHT, BACK))
    found = torch.einsum("op,pc,pw->ocw", back, tile, weight)
    assert torch.equal(
        found, torch.tensor([[[float(c == o + w) for w in range(3)] for c in range(4)] for o in range(2)])
    )


@torch.no_grad()
def test_layers_go_this_way_where_it_pays_and_are_themselves():
    side = int(CELLS**0.5) + 1
    layer, x = Conv2d(CHANNELS, CHANNELS, 3, padding=1), drawn(1, CHANNELS, side, side)
    weight, bias = layer.weight, layer.bias
    assert pays(x, weight) and torch.equal(layer(x), winograd(x, weight, bias))
    assert error(layer(x), x, weight, bias) < 3e-6
    assert not pays(x[..., :2, :], weight) and not pays(x.double(), weight) and not pays(x.bfloat16(), weight)
    assert not pays(x[:, :255], weight[:, :255]) and not pays(x.to("meta"), weight)
    with torch.enable_grad():
        assert not pays(x, weight)
    with torch.autocast("cpu", torch.bfloat16):
        assert not pays(x, weight) and layer(x).dtype == torch.bfloat16
    assert torch.allclose(layer(x[0]), layer(x)[0], atol=1e-5)  # a picture by itself is one, too


ELSE = {
    "stride": lambda kind: kind(512, 256, 3, padding=1, stride=2),
    "dilation": lambda kind: kind(512, 256, 3, padding=1, dilation=2),
    "groups": lambda kind: kind(512, 256, 3, padding=1, groups=2),
    "border": lambda kind: kind(512, 256, 3),
    "mode": lambda kind: kind(512, 256, 3, padding=1, padding_mode="reflect"),
    "single cells": lambda kind: kind(512, 256, 1),
}


@pytest.mark.parametrize("made", ELSE.values(), ids=ELSE)
@torch.no_grad()
def test_other_layers_stay_torch_s(made):
    layer, reference = made(Conv2d), made(torch.nn.Conv2d)
    reference.load_state_dict(layer.state_dict())
    x = drawn(1, 512, 24, 24)
    assert torch.equal(layer(x), reference(x))
