"""Nearest neighbours are right whatever the block, and nothing is its own neighbour."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.evaluate.distances import blocks, nearest, radii

X = torch.randn(13, 3, generator=torch.Generator().manual_seed(0))
Y = torch.randn(9, 3, generator=torch.Generator().manual_seed(1))


@given(st.integers(1, 20))
def test_blocks_together_are_all_distances(rows) -> None:
    parts = list(blocks(X, Y, rows))
    assert [k for part, _ in parts for k in range(part.start, part.stop)] == list(range(13))
    expected = (X[:, None].double() - Y[None].double()).square().sum(2).sqrt()
    assert torch.allclose(torch.cat([apart for _, apart in parts]), expected)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_radii_reach_the_kth_other(k) -> None:
    apart = (X[:, None].double() - X[None].double()).square().sum(2).sqrt()
    assert torch.allclose(radii(X, k), apart.sort(1).values[:, k])
    assert radii(X[:k], k).tolist() == [torch.inf] * k


def test_a_repeated_picture_is_a_neighbour() -> None:
    assert radii(torch.cat([X, X[:1]]), 1)[0] == pytest.approx(0, abs=1e-6)


def test_the_nearest_and_its_number() -> None:
    found = nearest(Y[[4, 2]] + 1e-3, Y)
    assert found.index.tolist() == [4, 2] and not found.mirrored.any()
    assert found.distance.tolist() == pytest.approx([3e-6**0.5] * 2, rel=1e-2)


def test_the_mirror_image_may_be_nearer() -> None:
    found = nearest(torch.stack([Y[0] + 5, Y[1]]), Y, torch.stack([Y[3], Y[1] + 9]))
    assert found.index.tolist() == [3, 1] and found.mirrored.tolist() == [True, False]


def test_a_picture_itself_can_be_left_out() -> None:
    itself = nearest(Y, Y, leave=torch.arange(9))
    assert all(int(i) != k for k, i in enumerate(itself.index)) and bool((itself.distance > 0).all())
    assert nearest(Y, Y, leave=torch.full((9,), -1)).index.tolist() == list(range(9))
