"""Boxes know their other two sides and their middle."""

import pytest

from unnoise.data.scenes.scene import BIG, SMALL, Box


def test_a_box() -> None:
    box = Box(0.1, 0.2, 0.3, 0.4)
    assert (box.right, box.bottom) == pytest.approx((0.4, 0.6))
    assert box.middle == pytest.approx((0.25, 0.4))


def test_nothing_is_small_and_big() -> None:
    assert SMALL < BIG
