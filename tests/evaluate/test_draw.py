"""The pictures that are asked for: an order that a larger number only makes longer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate.sets import noise, pictures
from unnoise.core.error import Refused
from unnoise.evaluate.draw import draw, order, styled, words

TRAIN, HELDOUT = pictures(noise(20)), pictures(noise(5, 1), word="other")


@given(st.integers(1, 12), st.integers(0, 2**31))
def test_fewer_are_the_first_of_more(count, seed) -> None:
    assert draw(TRAIN, HELDOUT, count, seed) == draw(TRAIN, HELDOUT, 12, seed)[:count]


def test_both_kinds_take_turns_until_one_ends() -> None:
    splits = [d.split for d in draw(TRAIN, HELDOUT, 13)]
    assert splits == ["heldout", "train"] * 5 + ["train"] * 3
    assert {d.split for d in draw(TRAIN, None, 8)} == {"train"}


def test_each_is_asked_for_once_by_its_own_words() -> None:
    found = draw(TRAIN, HELDOUT, 15, 3)
    assert len({(d.split, d.index) for d in found}) == 15
    for each in found:
        word = "thing" if each.split == "train" else "other"
        assert each.prompt == f"{word} {each.index}"
    full = draw(TRAIN, HELDOUT, 2, 3, full=True)
    assert [d.prompt for d in full] == [f"{d.prompt}, flat style" for d in found[:2]]


def test_the_seed_decides() -> None:
    assert draw(TRAIN, HELDOUT, 8, 1) != draw(TRAIN, HELDOUT, 8, 2)
    assert sorted(order(9, 4)) == list(range(9)) and order(9, 4) != order(9, 5)


def test_the_last_seed_draws_as_well() -> None:
    assert len(draw(TRAIN, HELDOUT, 8, 2**64 - 1)) == 8
    assert order(9, 2**64) == order(9, 0) != order(9, 2**64 - 1)


def test_half_of_training_is_left_to_compare_with() -> None:
    assert len(draw(TRAIN, HELDOUT, 15)) == 15
    with pytest.raises(Refused, match=r"16 pictures are too many.*at most 15"):
        draw(TRAIN, HELDOUT, 16)


def test_words() -> None:
    mixed = pictures(noise(4), ("flat", "round"))
    assert styled(mixed) and not styled(TRAIN)
    assert words(mixed)[1] == "thing 1" and words(mixed, True)[1] == "thing 1, round style"
