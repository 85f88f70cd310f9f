"""What each kind adds to a weight, against the papers' formulas written out, and what it refuses to fit."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.adapters.kinds import Decomposed, Full, Gain, Hadamard, Kronecker, LowRank, Product

SIZES = st.integers(1, 6)


def close(found, expected):
    assert found.shape == expected.shape and found.dtype == torch.float32
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6)


@given(SIZES, SIZES, SIZES, st.floats(-3, 3))
def test_low_rank_is_up_times_down(out, inner, rank, scale):
    down, up, weight = torch.randn(rank, inner), torch.randn(out, rank), torch.randn(out, inner)
    kind = LowRank(down, up, scale=scale)
    assert kind.fits((out, inner)) and not kind.fits((out + 1, inner)) and not kind.fits((out, inner + 1))
    close(kind.delta(weight), scale * up @ down)
    assert LowRank(down[..., None, None], up[..., None, None]).fits((out, inner))


@given(SIZES, SIZES, SIZES)
def test_a_convolutions_low_rank_is_two_convolutions(out, inner, rank):
    down, up, x = torch.randn(rank, inner, 3, 3), torch.randn(out, rank, 1, 1), torch.randn(2, inner, 5, 5)
    kind, weight = LowRank(down, up), torch.zeros(out, inner, 3, 3)
    assert kind.fits((out, inner, 3, 3)) and not kind.fits((out, inner, 1, 1)) and not kind.fits((out, inner))
    conv = torch.nn.functional.conv2d
    assert torch.allclose(conv(x, kind.delta(weight)), conv(conv(x, down), up), atol=1e-4)


def test_a_mid_layer_holds_the_kernel():
    down, mid, up, x = (
        torch.randn(2, 3, 1, 1),
        torch.randn(2, 2, 3, 3),
        torch.randn(5, 2, 1, 1),
        torch.randn(1, 3, 6, 6),
    )
    kind, weight = LowRank(down, up, mid), torch.zeros(5, 3, 3, 3)
    assert kind.fits((5, 3, 3, 3)) and not kind.fits((5, 3, 1, 1))
    conv = torch.nn.functional.conv2d
    assert torch.allclose(conv(x, kind.delta(weight)), conv(conv(conv(x, down), mid), up), atol=1e-5)
    assert not LowRank(down, up, torch.randn(3, 2, 3, 3)).fits((5, 3, 3, 3))


def test_hadamard_is_a_product_of_products():
    a, b, c, d = torch.randn(6, 2), torch.randn(2, 4 * 9), torch.randn(6, 3), torch.randn(3, 4 * 9)
    kind = Hadamard(Product((a, b)), Product((c, d)), 0.5)
    assert kind.fits((6, 4, 3, 3)) and kind.fits((6, 36)) and not kind.fits((6, 5, 3, 3))
    close(kind.delta(torch.zeros(6, 4, 3, 3)), (0.5 * (a @ b) * (c @ d)).view(6, 4, 3, 3))


def test_a_core_stands_between_its_factors():
    a, b, core = torch.randn(2, 6), torch.randn(3, 4), torch.randn(2, 3, 3, 3)
    expected = torch.zeros(6, 4, 3, 3)
    for i in range(2):
        for j in range(3):
            expected += a[i, :, None, None, None] * b[j, None, :, None, None] * core[i, j]
    close(Product((a, b, core)).value(), expected)
    assert Product((a, b, core)).shape == (6, 4, 3, 3)
    assert Product((a, b, torch.randn(3, 2, 3, 3))).shape is None and Product((a, b)).shape is None


@pytest.mark.parametrize("kernel", [(), (3, 3)])
def test_kronecker_puts_the_second_into_each_place_of_the_first(kernel):
    first, second = torch.randn(2, 3), torch.randn(4, 5, *kernel)
    kind = Kronecker(Product((first,)), Product((second,)), 2.0)
    shape = (8, 15, *kernel)
    assert kind.fits(shape) and not kind.fits((15, 8, *kernel))
    found = kind.delta(torch.zeros(shape))
    for i in range(2):
        for j in range(3):
            close(found[4 * i : 4 * i + 4, 5 * j : 5 * j + 5], 2 * first[i, j] * second)


def test_kronecker_of_a_flattened_kernel_is_the_same():
    first, second = torch.randn(2, 3), torch.randn(4, 5, 3, 3)
    weight = torch.zeros(8, 15, 3, 3)
    whole = Kronecker(Product((first,)), Product((second,)))
    flat = Kronecker(Product((first,)), Product((second.flatten(1), torch.eye(45))))
    assert flat.fits((8, 15, 3, 3))
    close(flat.delta(weight), whole.delta(weight))


@pytest.mark.parametrize("axis", [0, 1])
def test_decomposed_rows_or_columns_have_their_magnitudes(axis):
    weight, change = torch.randn(4, 6), LowRank(torch.randn(2, 6), torch.randn(4, 2))
    magnitude = torch.rand(weight.shape[axis]) + 1
    kind = Decomposed(change, magnitude, axis)
    made = weight + kind.delta(weight)
    assert kind.fits((4, 6)) and not kind.fits((4, 7))
    close(made.norm(dim=1 - axis), magnitude)
    close(made / made.norm(), (plain := _directed(weight + change.delta(weight), magnitude, axis)) / plain.norm())


def _directed(weight, magnitude, axis):
    return torch.nn.functional.normalize(weight, dim=1 - axis) * (magnitude[:, None] if axis == 0 else magnitude)


def test_a_decomposed_convolution_keeps_a_length_for_each_output():
    weight, change = torch.randn(4, 6, 3, 3), LowRank(torch.randn(2, 6, 3, 3), torch.randn(4, 2))
    made = weight + Decomposed(change, torch.arange(1.0, 5.0).view(1, 4, 1, 1), 0).delta(weight)
    close(made.flatten(1).norm(dim=1), torch.arange(1.0, 5.0))


def test_gain_and_difference():
    weight = torch.randn(3, 2)
    close(Gain(torch.tensor([[1.0], [2.0], [3.0]]), 0).delta(weight), weight * torch.tensor([[1.0], [2.0], [3.0]]))
    close(Gain(torch.tensor([[1.0, 2.0]]), 1).delta(weight), weight * torch.tensor([1.0, 2.0]))
    assert not Gain(torch.ones(3), 1).fits((3, 2)) and not Gain(torch.ones(3), 0).fits((3,))
    close(Full(torch.ones(3, 2, 1, 1)).delta(weight), torch.ones(3, 2))
    assert (
        Full(torch.ones(3)).fits((3,)) and not Full(torch.ones(3)).fits((4,)) and not Full(torch.ones(3)).fits((1, 3))
    )
