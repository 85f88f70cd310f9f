"""Convolutions of few cells as one product."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from building import drawn
from unnoise.nn.gathered import CELLS, few, gathered
from unnoise.nn.native import Conv2d

sizes = st.integers(1, 9)


def exact(x, weight, bias, stride):
    bias = None if bias is None else bias.double()
    return torch.nn.functional.conv2d(x.double(), weight.double(), bias, padding=1, stride=stride)


@given(
    sizes=st.tuples(st.integers(1, 3), sizes, sizes, sizes, sizes),
    stride=st.integers(1, 3),
    biased=st.booleans(),
    last=st.booleans(),
)
def test_it_is_the_convolution_at_any_size_stride_and_layout(sizes, stride, biased, last):
    count, channels, kept, height, width = sizes
    x, weight = drawn(count, channels, height, width), drawn(kept, channels, 3, 3)
    bias = drawn(kept) if biased else None
    layout = torch.channels_last if last else torch.contiguous_format
    found = gathered(x.contiguous(memory_format=layout), weight, bias, stride)
    wanted = exact(x, weight, bias, stride)
    assert found.shape == wanted.shape and torch.allclose(found.double(), wanted, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
@torch.no_grad()
def test_layers_go_this_way_where_it_pays_and_are_themselves(stride):
    layer = Conv2d(4 * CELLS, 4 * CELLS, 3, padding=1, stride=stride)
    x = drawn(2, 4 * CELLS, 8 * stride, 8 * stride).contiguous(memory_format=torch.channels_last)
    assert few(x, layer.weight, stride) and not few(torch.cat([x, x[:1]]), layer.weight, stride)
    found, wanted = layer(x), exact(x, layer.weight, layer.bias, stride)
    assert torch.equal(found, gathered(x, layer.weight, layer.bias, stride))
    assert float((found - wanted).abs().max() / wanted.abs().max()) < 1e-5
    assert found.is_contiguous(memory_format=torch.channels_last)  # as what it was given
    assert not few(x, layer.weight[: CELLS // 2], stride)  # few weights are laid out in no time
    for other in (x.double(), x.bfloat16(), x.to("meta"), x[0]):
        assert not few(other, layer.weight, stride)
    with torch.enable_grad():
        assert not few(x, layer.weight, stride)
    with torch.autocast("cpu", torch.bfloat16):
        assert not few(x, layer.weight, stride) and layer(x).dtype == torch.bfloat16


ELSE = {
    "uneven strides": {"padding": 1, "stride": (1, 2)},
    "dilation": {"padding": 2, "dilation": 2},
    "groups": {"padding": 1, "groups": 2},
    "border": {},
    "mode": {"padding": 1, "padding_mode": "circular"},
    "words": {"padding": "same"},
}


@pytest.mark.parametrize("settings", ELSE.values(), ids=ELSE)
@torch.no_grad()
def test_other_layers_stay_torch_s(settings):
    layer, reference = Conv2d(64, 64, 3, **settings), torch.nn.Conv2d(64, 64, 3, **settings)
    reference.load_state_dict(layer.state_dict())
    x = drawn(1, 64, 4, 4)
    assert torch.equal(layer(x), reference(x))
