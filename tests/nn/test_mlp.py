"""The two-layer network of a block."""

import pytest
import torch

from building import drawn
from unnoise.nn.mlp import MLP
from unnoise.nn.zero import zeroed


@pytest.mark.parametrize(("ratio", "hidden"), [(4.0, 32), (2.5, 20)])
def test_it_widens_by_its_ratio_and_comes_back(ratio, hidden):
    layer = MLP(8, ratio)
    assert layer.first.out_features == hidden
    assert layer(drawn(2, 3, 8)).shape == (2, 3, 8)


def test_each_token_is_by_itself():
    layer, x = MLP(8), drawn(2, 3, 8)
    assert torch.allclose(layer(x)[:, 1], layer(x[:, 1]), atol=1e-6)


def test_a_branch_that_ends_in_a_zeroed_layer_is_nothing():
    layer = MLP(8)
    assert zeroed(layer.second) is layer.second
    assert (layer(drawn(2, 8)) == 0).all() and layer.second.weight.requires_grad
