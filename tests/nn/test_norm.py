"""Norms are torch's own, keep the dtype they are given, and do so under autocast."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from building import drawn, stirred
from unnoise.nn.norm import GroupNorm, RMSNorm


@given(st.integers(1, 130), st.sampled_from([1, 4, 16]))
@settings(max_examples=60, deadline=None)
def test_groups_divide_the_channels_and_are_not_too_narrow(channels, least):
    groups = GroupNorm(channels, least).groups
    assert channels % groups == 0 and 1 <= groups <= 32
    assert groups == 1 or channels // groups >= least


@pytest.mark.parametrize(("channels", "groups"), [(16, 4), (128, 32), (192, 32), (320, 32), (96, 24)])
def test_usual_widths_have_their_usual_groups(channels, groups):
    assert GroupNorm(channels).groups == groups


def test_they_are_torch_s_own():
    ours = stirred(GroupNorm(16), 0.3)
    theirs = torch.nn.GroupNorm(ours.groups, 16, ours.eps)
    theirs.load_state_dict(ours.state_dict())
    x = drawn(2, 16, 3, 5) * 4 + 1
    assert torch.equal(ours(x), theirs(x))
    rms, reference = stirred(RMSNorm(16), 0.3), torch.nn.RMSNorm(16, 1e-6)
    reference.load_state_dict(rms.state_dict())
    assert torch.allclose(rms(drawn(2, 3, 16)), reference(drawn(2, 3, 16)))


@pytest.mark.parametrize("norm", [GroupNorm(16), RMSNorm(16)], ids=["group", "rms"])
@pytest.mark.parametrize("autocast", [True, False])
def test_they_keep_the_dtype_they_are_given(norm, autocast):
    for dtype in (torch.bfloat16, torch.float32):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            assert norm(drawn(2, 16, 16).to(dtype)).dtype == dtype


def test_gradient_reaches_weight_and_bias_through_a_narrower_dtype():
    norm = GroupNorm(16)
    norm(drawn(2, 16, 4, 4).bfloat16()).square().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in norm.parameters())
