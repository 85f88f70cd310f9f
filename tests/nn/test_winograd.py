"""Convolutions of 3 x 3 cells by fewer multiplications."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from building import drawn
from unnoise.nn import winograd as way
from unnoise.nn.native import Conv2d
from unnoise.nn.winograd import CELLS, CHANNELS, LARGE, MANY_CHANNELS, SMALL, TILES, quickest, winograd

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
    basis=st.sampled_from((SMALL, LARGE)),
)
def test_it_is_the_convolution_at_any_size_and_layout(sizes, biased, last, budget, basis):
    count, channels, kept, height, width = sizes
    x, weight = drawn(count, channels, height, width), drawn(kept, channels, 3, 3)
    bias = drawn(kept) if biased else None
    layout = torch.channels_last if last else torch.contiguous_format
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(way, "BUDGET", budget)
        found = winograd(x.contiguous(memory_format=layout), weight, bias, basis)
    assert found.shape == (count, kept, height, width) and error(found, x, weight, bias) < 1e-5


@pytest.mark.parametrize(("basis", "times"), [(SMALL, 1), (LARGE, 3)])
@pytest.mark.parametrize(("channels", "kept", "side"), [(320, 320, 24), (1280, 256, 16), (64, 512, 33)])
def test_it_is_about_as_near_to_the_exact_sum_as_the_direct_way(channels, kept, side, basis, times):
    x, weight, bias = drawn(2, channels, side, side), drawn(kept, channels, 3, 3), drawn(kept)
    direct = torch.nn.functional.conv2d(x, weight, bias, padding=1)
    assert error(winograd(x, weight, bias, basis), x, weight, bias) < times * max(error(direct, x, weight, bias), 1e-6)


@pytest.mark.parametrize("basis", [SMALL, LARGE])
def test_the_matrices_are_a_bilinear_algorithm_for_the_convolution(basis):
    """Every product of a cell and a weight counts in exactly the sums that the convolution has it in."""
    found = torch.einsum("op,pc,pw->ocw", basis.back, basis.tile, basis.weight)
    m = basis.cells
    one = torch.tensor([[[float(c == o + w) for w in range(3)] for c in range(m + 2)] for o in range(m)]).double()
    both = torch.einsum("ocw,pdv->opcdwv", one, one).reshape(m * m, (m + 2) ** 2, 9)
    torch.testing.assert_close(found, both, rtol=0, atol=1e-14)


@torch.no_grad()
def test_layers_go_this_way_where_it_pays_and_are_themselves():
    side = 4 * int(TILES**0.5)
    layer, x = Conv2d(CHANNELS, CHANNELS, 3, padding=1), drawn(1, CHANNELS, side, side)
    weight, bias = layer.weight, layer.bias
    assert quickest(x, weight) is LARGE and torch.equal(layer(x), winograd(x, weight, bias, LARGE))
    assert error(layer(x), x, weight, bias) < 1e-5
    for other in (x[..., :2, :], x.double(), x.bfloat16(), x.to("meta"), x[0]):
        assert quickest(other, weight) is None
    assert quickest(x[:, :-1], weight[:, :-1]) is None
    with torch.enable_grad():
        assert quickest(x, weight) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert quickest(x, weight) is None and layer(x).dtype == torch.bfloat16
    assert torch.allclose(layer(x[0]), layer(x)[0], atol=1e-5)  # a picture by itself is one, too


@torch.no_grad()
def test_small_pictures_go_by_small_tiles():
    side = int(CELLS**0.5) + 1
    layer, x = Conv2d(MANY_CHANNELS, MANY_CHANNELS, 3, padding=1), drawn(1, MANY_CHANNELS, side, side)
    assert quickest(x, layer.weight) is SMALL
    assert torch.equal(layer(x), winograd(x, layer.weight, layer.bias, SMALL))
    assert quickest(x[..., :2, :], layer.weight) is None and quickest(x[:, :-1], layer.weight[:, :-1]) is None


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
