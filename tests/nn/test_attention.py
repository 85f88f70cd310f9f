"""Attention: torch's fused kernel and plain products agree, and both agree with the formula."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from building import drawn, stirred
from unnoise.nn import attention
from unnoise.nn.attention import ROWS, Attention, attend, attend_by_rows, modulate
from unnoise.nn.native import HALVES
from unnoise.nn.rope import grid_angles


def formula(query, key, value, seen=None):
    """One query at a time, in float64."""
    query, key, value = (v.double() for v in (query, key, value))
    scores = torch.einsum("bhnd,bhmd->bhnm", query, key) / query.shape[-1] ** 0.5
    if seen is not None:
        scores = torch.where(seen, scores, -torch.inf)
    weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
    return torch.einsum("bhnm,bhmd->bhnd", weights, value).float()


sizes = st.integers(1, 5)


@given(st.integers(1, 2), st.integers(1, 3), sizes, sizes, st.sampled_from([2, 8]), st.booleans(), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_with_and_without_gradient_it_is_the_formula(batch, heads, n, m, width, masked, seed):
    query, key, value = (drawn(batch, heads, k, width, seed=seed + i) for i, k in enumerate((n, m, m)))
    seen = (torch.arange(m) < 1 + seed % m).expand(batch, 1, 1, m) if masked else None
    expected = formula(query, key, value, seen)
    with torch.no_grad():
        assert torch.allclose(attend(query, key, value, seen), expected, atol=1e-5)
    query.requires_grad_()
    found = attend(query, key, value, seen)
    assert found.requires_grad and torch.allclose(found, expected, atol=1e-5)


def test_gradients_are_those_of_torch_s_kernel():
    found = []
    for way in (attend, lambda q, k, v, s: torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=s)):
        parts = [drawn(2, 3, 5, 8, seed=i).requires_grad_() for i in range(3)]
        seen = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])[:, None, None]
        found.append(torch.autograd.grad(way(*parts, seen).square().sum(), parts))
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("context", [None, 12])
@torch.no_grad()
def test_it_is_torch_s_multi_head_attention_with_normed_queries_and_keys(context):
    layer, x = stirred(Attention(16, 2, context), 0.2), drawn(2, 5, 16)
    other = x if context is None else drawn(2, 7, 12, seed=4)
    mask = torch.arange(other.shape[1])[None] < torch.tensor([[3], [5]])
    key, value = layer.key_value(other).chunk(2, -1)

    def normed(v, weight):
        heads = v.unflatten(-1, (2, 8)).double()
        return (heads / (heads.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight).flatten(-2).float()

    reference = torch.nn.MultiheadAttention(16, 2, batch_first=True)
    reference.in_proj_weight.copy_(torch.eye(16).repeat(3, 1))
    reference.in_proj_bias.zero_()
    reference.out_proj.load_state_dict(layer.out.state_dict())
    query = normed(layer.query(x), layer.query_norm.weight)
    expected, _ = reference(query, normed(key, layer.key_norm.weight), value, key_padding_mask=~mask)
    assert torch.allclose(layer(x, None if context is None else other, mask), expected, atol=1e-5)


@torch.no_grad()
def test_masked_keys_have_no_influence():
    layer, x = stirred(Attention(16, 2, 12), 0.2), drawn(2, 5, 16)
    context, mask = drawn(2, 4, 12, seed=3), torch.tensor([[True, True, False, False], [True] * 4])
    changed = torch.where(mask[..., None], context, 100.0)
    out = layer(x, context, mask)
    assert torch.equal(layer(x, changed, mask), out)
    assert torch.allclose(layer(x[:1], context[:1, :2]), out[:1], atol=1e-6)


@torch.no_grad()
def test_large_queries_do_not_sharpen_attention():
    # That is what the norm is for: logits cannot grow with the weights.
    layer, x = stirred(Attention(16, 2), 0.2), drawn(1, 5, 16)
    out = layer(x)
    layer.query.weight *= 100
    layer.query.bias *= 100
    assert torch.allclose(layer(x), out, atol=1e-4)


@torch.no_grad()
def test_angles_let_it_tell_places_apart():
    layer, x = stirred(Attention(16, 2), 0.5), drawn(1, 6, 16)
    angles = grid_angles((6,), 8)
    assert torch.allclose(layer(x.flip(1)).flip(1), layer(x), atol=1e-5)
    assert (layer(x.flip(1), angles=angles).flip(1) - layer(x, angles=angles)).abs().max() > 1e-3


def test_modulate_shifts_and_scales():
    x, shift, scale = drawn(2, 3, 4), drawn(2, 1, 4, seed=2), drawn(2, 1, 4, seed=3)
    assert torch.allclose(modulate(x, shift, scale), x * (1 + scale) + shift)


wide = st.integers(ROWS, ROWS + 40)


@given(st.integers(1, 2), st.integers(1, 3), wide, wide, st.sampled_from([8, 40]), st.sampled_from([0.1, 1.0, 3.0]))
@settings(max_examples=10)
def test_row_by_row_it_is_the_formula_however_sharp(batch, heads, n, m, width, sharp):
    query, key, value = (drawn(batch, k, heads, width, seed=i).transpose(1, 2) for i, k in enumerate((n, m, m)))
    query, key = query * sharp, key * sharp
    assert torch.allclose(attend_by_rows(query, key, value), formula(query, key, value), atol=1e-5)
    low = [v.bfloat16() for v in (query, key, value)]
    expected = formula(*low)
    assert (attend_by_rows(*low).float() - expected).norm() < 0.012 * expected.norm()


def test_row_by_row_a_picture_is_itself_whatever_its_neighbours_bit_for_bit():
    parts = [drawn(3, ROWS + 3, 2, 8, seed=i).transpose(1, 2).bfloat16() for i in range(3)]
    together = attend_by_rows(*parts)
    for i in range(3):
        assert torch.equal(attend_by_rows(*(p[i : i + 1] for p in parts)), together[i : i + 1])


def test_to_the_compiler_it_is_one_operation():
    parts = [drawn(1, ROWS, 2, 8, seed=i).transpose(1, 2) for i in range(3)]
    torch.library.opcheck(attend_by_rows, tuple(parts), test_utils=("test_schema", "test_faketensor"))


@pytest.mark.parametrize("can", [True, False])
@torch.no_grad()
def test_it_goes_row_by_row_where_the_machine_multiplies_bfloat16_and_the_sequence_is_long(monkeypatch, can):
    taken = []
    monkeypatch.setitem(HALVES, torch.bfloat16, torch.bfloat16 if can else torch.float32)
    monkeypatch.setattr(attention, "attend_by_rows", lambda *args: taken.append(args) or args[0])
    for dtype in (torch.float32, torch.bfloat16):
        for n, m, masked in ((ROWS, ROWS, False), (ROWS, ROWS, True), (ROWS - 1, ROWS, False), (ROWS, 77, False)):
            seen = torch.ones(1, 1, 1, m, dtype=torch.bool) if masked else None
            before = len(taken)
            attention.attend(drawn(1, 1, n, 8).to(dtype), *[drawn(1, 1, m, 8).to(dtype)] * 2, seen)
            row_by_row = can and dtype == torch.bfloat16 and (n, m, masked) == (ROWS, ROWS, False)
            assert len(taken) - before == row_by_row
