"""Things fit where they are put, whatever their shape, and never touch each other."""

from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.data.scenes.arrange import GAP, MARGIN, WHOLE, at, grouped, halves, parted
from unnoise.data.scenes.scene import Box

ratios = st.floats(0.2, 5)
draws = st.integers(0, 2**32).map(Random)
NEARLY = 1e-9


def inside(box: Box, region: Box) -> bool:
    return (
        box.left >= region.left - NEARLY
        and box.top >= region.top - NEARLY
        and box.right <= region.right + NEARLY
        and box.bottom <= region.bottom + NEARLY
    )


def apart(one: Box, other: Box) -> bool:
    across = max(one.left, other.left) >= min(one.right, other.right) - NEARLY
    down = max(one.top, other.top) >= min(one.bottom, other.bottom) - NEARLY
    return across or down


@given(st.integers(1, 5), ratios, st.floats(0.1, 1), st.floats(0.2, 0.9), st.floats(0.2, 0.9), draws)
def test_several_fit_apart_and_alike(count, ratio, longest, width, height, draw) -> None:
    region = Box(0.05, 0.05, width, height)
    boxes = grouped(count, ratio, region, longest, draw)
    assert len(boxes) == count
    assert all(inside(box, region) for box in boxes)
    assert all(apart(one, other) for one, other in combinations(boxes, 2))
    assert len({(box.width, box.height) for box in boxes}) == 1
    assert boxes[0].width / boxes[0].height == pytest.approx(ratio)
    assert max(boxes[0].width, boxes[0].height) <= longest + NEARLY


@pytest.mark.parametrize("axis", ["across", "down"])
@given(first=st.floats(0.2, 0.8))
def test_halves_share_the_picture(axis, first) -> None:
    one, other = halves(axis, first)
    assert inside(one, WHOLE) and inside(other, WHOLE) and apart(one, other)
    if axis == "across":
        assert other.left - one.right == pytest.approx(GAP)
        assert one.width / (one.width + other.width) == pytest.approx(first)
    else:
        assert other.top - one.bottom == pytest.approx(GAP)
        assert one.height / (one.height + other.height) == pytest.approx(first)


def test_three_regions_are_in_order() -> None:
    one, two, three = parted("across", (1, 2, 1))
    assert one.left == MARGIN and three.right == pytest.approx(1 - MARGIN)
    assert one.right < two.left < two.right < three.left
    assert two.width == pytest.approx(2 * one.width)


@given(ratios, st.floats(0.1, 0.45), draws)
def test_a_place_is_where_it_is_said(ratio, longest, draw) -> None:
    for place in ("middle", "left", "right", "top", "bottom", "top left", "top right", "bottom left", "bottom right"):
        box = at(place, ratio, longest, draw)
        assert inside(box, WHOLE)
        x, y = box.middle
        assert ("left" in place, "right" in place) == (x < 1 / 3, x > 2 / 3)
        assert ("top" in place, "bottom" in place) == (y < 1 / 3, y > 2 / 3)


@given(ratios, st.floats(0.1, 0.92), draws)
def test_the_middle_holds_anything(ratio, longest, draw) -> None:
    box = at("middle", ratio, longest, draw)
    assert inside(box, Box(0, 0, 1, 1))
    assert max(box.width, box.height) == pytest.approx(longest)
