"""Rotary positions: attention sees how far two cells lie apart and nothing else of where they are."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from building import drawn
from unnoise.nn.rope import axis_turns, grid_angles, rotate, rotate_pairs


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 4), st.integers(0, 4))
@settings(max_examples=40, deadline=None)
def test_products_depend_on_the_distance_alone(row, column, other_row, other_column, down, right):
    size = 10
    angles = grid_angles((size, size), 16)
    query, key = drawn(16), drawn(16, seed=2)

    def product(first, second):
        placed = [rotate(v.expand(1, 1, size * size, 16), angles) for v in (query, key)]
        return float(placed[0][0, 0, first] @ placed[1][0, 0, second])

    here = product(row * size + column, other_row * size + other_column)
    there = product((row + down) * size + column + right, (other_row + down) * size + other_column + right)
    assert abs(here - there) < 1e-4


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.sampled_from([8, 12, 16]))
@settings(max_examples=30, deadline=None)
def test_turning_keeps_lengths_and_the_first_cell(shape, width):
    angles = grid_angles(tuple(shape), width)
    cells = angles[0].shape[0]
    assert angles[0].shape == angles[1].shape == (torch.Size(shape).numel(), width // 2)
    x = drawn(2, 3, cells, width)
    turned = rotate(x, angles)
    assert torch.allclose(turned.norm(dim=-1), x.norm(dim=-1), rtol=1e-5)
    assert torch.equal(turned[:, :, 0], x[:, :, 0])


def test_cells_of_a_grid_are_told_apart_on_both_axes():
    cos, sin = grid_angles((3, 4), 8)
    told = torch.cat([cos, sin], 1)
    assert len(told.unique(dim=0)) == 12


def test_it_keeps_the_dtype():
    angles = grid_angles((4,), 8)
    assert rotate(drawn(1, 1, 4, 8).bfloat16(), angles).dtype == torch.bfloat16


CPU = torch.device("cpu")


def turning(angles):
    return torch.stack([angles.cos(), angles.sin()], -1)


@given(st.integers(0, 4), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_turns_of_axes_are_those_of_the_formula(still, high, wide, cell):
    turns = axis_turns((1, high, wide), (4, 6, 8), still, 10_000.0, CPU)
    assert turns.shape == (still + high * wide, 9, 2) and turns.dtype == torch.float32
    assert torch.equal(turns[:still], torch.tensor([1.0, 0.0]).expand(still, 9, 2))
    cell = cell % (high * wide)
    frequencies = [10_000 ** (-2 * i / width) for width in (4, 6, 8) for i in range(width // 2)]
    places = [0] * 2 + [cell // wide] * 3 + [cell % wide] * 4
    angles = torch.tensor([p * f for p, f in zip(places, frequencies, strict=True)], dtype=torch.float64)
    torch.testing.assert_close(turns[still + cell], turning(angles).float())


def test_turns_are_made_once_a_size():
    first, again = (axis_turns((1, 3, 3), (4, 6, 6), 2, 10_000.0, CPU) for _ in range(2))
    assert first is again


def test_neighbours_in_a_head_are_turned_as_a_pair():
    turns = turning(torch.tensor([[0.0, 0.0], [torch.pi / 2, 0.0]]))
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(1, 2, 1, 4)
    turned = rotate_pairs(x, turns)
    torch.testing.assert_close(turned[0, 0, 0], x[0, 0, 0])
    torch.testing.assert_close(turned[0, 1, 0], torch.tensor([-2.0, 1.0, 3.0, 4.0]))


def test_complex_and_real_numbers_turn_alike(monkeypatch):
    x, turns = drawn(2, 5, 3, 16), turning(drawn(5, 8, seed=2))
    with_complex = rotate_pairs(x, turns)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(rotate_pairs(x, turns), with_complex)


def test_pairs_are_turned_in_float32_and_keep_their_dtype():
    x, turns = drawn(1, 4, 2, 8).bfloat16(), turning(100 * drawn(4, 4, seed=2))
    turned = rotate_pairs(x, turns)
    assert turned.dtype == torch.bfloat16
    assert torch.equal(turned, rotate_pairs(x.float(), turns).bfloat16())
