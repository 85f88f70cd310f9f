"""Norms measured on crops: what the crops say all together, and crops from all over a picture."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.nn.norm import GroupNorm
from unnoise.nn.sampled import Sampled, plain


def layer(channels=8, groups=2):
    torch.manual_seed(0)
    made = GroupNorm(channels, channels // groups)
    torch.nn.init.normal_(made.weight)
    torch.nn.init.normal_(made.bias)
    return made


@torch.no_grad()
def test_crops_of_all_of_a_picture_give_its_own_norm():
    norm, picture = layer(), 3 * torch.randn(1, 8, 2, 6) + 1
    norms = Sampled(side=2, edge=0)
    crops = norms.crops(picture, 3)
    assert crops.shape == (3, 8, 2, 2) and torch.equal(torch.cat(list(crops), -1)[None], picture)
    measured = norms.measured(norm, crops)
    torch.testing.assert_close(norms.held(norm, picture), plain(norm, picture))
    torch.testing.assert_close(torch.cat(list(measured), -1)[None], plain(norm, picture))


@torch.no_grad()
def test_a_crop_s_edge_does_not_count():
    norm, inner = layer(), torch.randn(1, 8, 4, 4)
    wide = torch.nn.functional.pad(inner, (2, 2, 2, 2), value=100.0)
    norms = Sampled(side=4, edge=1)  # of where it was cut; this layer sees it at twice the size
    norms.measured(norm, wide)
    torch.testing.assert_close(norms.held(norm, inner), plain(norm, inner))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 30))
def test_crops_lie_evenly_and_are_no_more_than_asked_for(height, width, most):
    places = torch.arange(height * width).float().reshape(1, 1, height, width)
    crops = Sampled(side=5, edge=0).crops(places, most)
    assert 1 <= len(crops) <= most and crops.shape[1:] == (1, 5, 5)
    if len(crops) > 1:
        cells = crops.flatten().int()
        rows, columns = set((cells // width).tolist()), set((cells % width).tolist())
        assert {0, width - 1} <= columns or {0, height - 1} <= rows  # from one end to the other
    else:
        assert most <= 3 or max(height, width) <= 5
