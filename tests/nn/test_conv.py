"""Pictures half and twice as large."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from building import drawn
from unnoise.nn.conv import Resample, channels_last, double, halve


@given(st.integers(1, 2), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_halving_undoes_doubling(batch, channels, high, wide):
    x = drawn(batch, channels, high, wide)
    twice = double(x)
    assert twice.shape == (batch, channels, 2 * high, 2 * wide)
    assert torch.equal(twice[..., ::2, ::2], x) and torch.equal(twice[..., 1::2, 1::2], x)
    assert torch.allclose(halve(twice), x, atol=1e-6)


def test_each_cell_is_the_mean_of_four():
    assert halve(torch.arange(8.0).view(1, 1, 2, 4)).flatten().tolist() == [2.5, 4.5]


@pytest.mark.parametrize(("way", "shape"), [("down", (2, 4, 3, 4)), ("up", (2, 4, 12, 16))])
def test_resampling_has_a_convolution_of_its_own(way, shape):
    layer = Resample(4, way)
    assert layer(drawn(2, 4, 6, 8)).shape == shape
    assert {n: tuple(p.shape) for n, p in layer.named_parameters()} == {"conv.weight": (4, 4, 3, 3), "conv.bias": (4,)}


def test_channels_last_changes_the_layout_alone():
    x = drawn(2, 3, 4, 5)
    laid = channels_last(x)
    assert torch.equal(laid, x) and laid.stride(1) == 1
