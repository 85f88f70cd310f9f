"""Patches hold what the picture held, in the order of reading."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from building import drawn
from unnoise.nn.patch import patchify, unpatchify


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_patches_put_together_are_the_picture(batch, channels, patch, high, wide):
    x = drawn(batch, channels, high * patch, wide * patch)
    tokens = patchify(x, patch)
    assert tokens.shape == (batch, high * wide, channels * patch**2)
    assert torch.equal(tokens[:, wide - 1], x[:, :, :patch, (wide - 1) * patch :].flatten(1))
    assert torch.equal(unpatchify(tokens, patch, (high, wide)), x)
