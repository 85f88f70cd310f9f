"""Rotary positions: attention sees how far two cells lie apart and nothing else of where they are."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from building import drawn
from unnoise.nn.rope import grid_angles, rotate


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
