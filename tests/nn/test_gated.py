"""The gated MLP: diffusers' own, and the same in parts as in one."""

import warnings

import pytest
import torch

from building import drawn, stirred
from unnoise.nn import gated
from unnoise.nn.gated import GatedMLP


@torch.no_grad()
def test_it_is_diffusers_feed_forward():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        attention = pytest.importorskip("diffusers.models.attention", reason="diffusers is not installed")
    ours, theirs = stirred(GatedMLP(8)), attention.FeedForward(8)
    theirs.load_state_dict(ours.state_dict())
    x = drawn(2, 5, 8)
    assert torch.allclose(ours(x), theirs(x), atol=1e-6)


@pytest.mark.parametrize("tokens", [1, 3, 10, 64])
def test_in_parts_it_is_the_same_as_in_one(monkeypatch, tokens):
    monkeypatch.setattr(gated, "TOKENS", tokens)
    layer, x = stirred(GatedMLP(8)), drawn(2, 5, 8)
    whole = layer(x)
    with torch.no_grad():
        assert torch.allclose(layer(x), whole, atol=1e-6)
    whole.sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
