"""Pictures that look the same are grouped, others are not, and a set with its own training is told."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluate.sets import noise
from unnoise.evaluate import duplicates as module
from unnoise.evaluate.duplicates import duplicates, leaks, pairs
from unnoise.evaluate.memorisation import look


def changed(picture, by, seed=0):
    random = torch.Generator().manual_seed(seed)
    off = torch.randint(-by, by + 1, picture.shape, generator=random)
    return (picture.int() + off).clamp(0, 255).byte()


def test_slight_changes_are_the_same_picture() -> None:
    x = noise(6)
    found = torch.cat([x, changed(x[4:5], 2), changed(x[1:2], 2), changed(x[1:2], 2, 1)])
    assert duplicates(found) == [[1, 7, 8], [4, 6]]
    assert duplicates(x) == []


def test_what_is_linked_belongs_together() -> None:
    steps = torch.stack([torch.full((3, 16, 16), v, dtype=torch.uint8) for v in (100, 102, 104, 120)])
    assert duplicates(steps, 2.5) == [[0, 1, 2]]
    assert duplicates(steps, 1.5) == []


@given(st.integers(1, 9))
def test_blocks_make_no_difference(rows) -> None:
    x = torch.cat([noise(7), noise(3)])
    whole = set(pairs(x, x))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS", rows)
        assert set(pairs(x, x)) == whole == {(i, j) for i in range(10) for j in range(10) if i % 7 == j % 7}


def test_pairs_are_those_nearer_than_the_limit() -> None:
    # Light pictures, whose products are large beside their differences: float32 must still tell them apart.
    light = (250 + noise(12, 3).int() % 6).byte()
    apart = torch.cdist(look(light).double(), look(light).double())
    limit = float(apart.flatten().sort().values[60])
    found = set(pairs(light, light, limit))
    surely = {(i, j) for i, j in (apart < 0.99 * limit).nonzero().tolist()}
    perhaps = {(i, j) for i, j in (apart < 1.01 * limit).nonzero().tolist()}
    assert surely <= found <= perhaps


def test_held_out_pictures_that_training_has() -> None:
    training, heldout = noise(8, 1), noise(4, 2)
    assert leaks(heldout, training) == {}
    seen = torch.cat([heldout, changed(training[5:6], 2), training[2:3].flip(-1)])
    assert leaks(seen, training) == {4: 5, 5: 2}
