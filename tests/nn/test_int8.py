"""int8 weights: how near their numbers are, and that layers compute with them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import linear

pytest.importorskip("torchao")

from unnoise.nn import int8

CPU = torch.device("cpu")


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(st.integers(1, 40), st.integers(2, 40), st.integers(-20, 20), st.integers(1, 200))
def test_every_number_is_within_half_a_step_of_its_row_however_many_go_at_once(rows, columns, power, chunk):
    weight = drawn(rows, columns, seed=rows) * 2.0**power
    weight[0] = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(int8, "CHUNK", chunk)
        made = int8.whole(weight, CPU, torch.float32)
    step = weight.abs().amax(1, keepdim=True) / 127.5
    assert bool(((made.numbers() - weight).abs() <= 0.51 * step + 1e-6).all())  # torchao's least step is 1.2e-7
    assert made.qdata.dtype == torch.int8 and made.scale.shape == (rows, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_a_layer_computes_in_its_input_s_type_with_the_weight_s_numbers(dtype, monkeypatch):
    monkeypatch.setattr(int8, "multiplied", lambda _: False)
    made, x, bias = int8.whole(drawn(24, 16), CPU, torch.float32), drawn(2, 5, 16, seed=1), drawn(24, seed=2)
    with torch.no_grad():
        found = linear(x.to(dtype), made, bias.to(dtype))
    assert found.dtype == dtype
    assert torch.equal(found, linear(x.to(dtype), made.numbers(dtype), bias.to(dtype)))


def test_inputs_are_int8_too_where_that_is_quick(monkeypatch):
    weight, x = drawn(24, 64), drawn(3, 7, 64, seed=1) * torch.logspace(-3, 3, 7)[:, None]
    monkeypatch.setattr(int8, "multiplied", lambda _: True)
    made, bias = int8.whole(weight, CPU, torch.float32), drawn(24, seed=2)
    with torch.no_grad():
        found = linear(x, made, bias)
    scale = x.abs().amax(-1, keepdim=True) / 127.5
    whole = (
        (x / scale).round().clamp(-128, 127)
    )  # each token has a scale of its own, so that a small one keeps its digits
    expected = (whole @ made.qdata.float().T) * scale * made.scale.T + bias
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4)
    apart = (found - bias - linear(x, weight)).norm(dim=-1) / linear(x, weight).norm(dim=-1)
    assert 1e-3 < apart.max() < 0.03


@pytest.mark.parametrize("quick", [False, True])
def test_a_gradient_is_that_of_the_numbers(quick, monkeypatch):
    monkeypatch.setattr(int8, "multiplied", lambda _: quick)
    made, x = int8.whole(drawn(24, 16), CPU, torch.float32), drawn(5, 16, seed=1).requires_grad_()
    linear(x, made).square().sum().backward()
    other = x.detach().clone().requires_grad_()
    linear(other, made.numbers()).square().sum().backward()
    assert torch.allclose(x.grad, other.grad, rtol=1e-5)


def test_it_stays_int8_in_another_place_and_all_else_is_done_with_its_numbers():
    made = int8.whole(drawn(24, 16), CPU, torch.float32)
    there = made.to(torch.empty(1, dtype=torch.bfloat16))
    assert isinstance(there, int8.Whole) and torch.equal(there.numbers(), made.numbers())
    assert isinstance(nn.Parameter(made, requires_grad=False), int8.Whole)
    for change in (lambda w: w + 1, lambda w: w.T @ w, lambda w: w[3:5] * 2, lambda w: w.new_zeros(3)):
        assert torch.equal(change(made), change(made.numbers()))


def test_a_weight_without_numbers_is_like_one_with_them():
    made, empty = int8.whole(drawn(24, 16), CPU, torch.bfloat16), int8.unset((24, 16), CPU, torch.bfloat16)
    for part in ("qdata", "scale"):
        assert getattr(made, part).shape == getattr(empty, part).shape
        assert getattr(made, part).dtype == getattr(empty, part).dtype
    assert made.dtype == empty.dtype == torch.bfloat16
