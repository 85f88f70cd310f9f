"""A held-out part that is missing is none; one that is damaged is never taken for missing."""

import pytest

from unnoise.core.error import Refused
from unnoise.recipes._heldout import held_out


def test_its_pictures_or_the_first_of_them(emoji):
    assert len(held_out(emoji, 16)) == 2
    assert len(held_out(emoji, 16, most=1)) == 1
    assert len(held_out(emoji, 16, keep=lambda tags: tags["style"] == "noto")) == 1


def test_a_set_without_one_has_none(emoji, tmp_path):
    (tmp_path / "train-00000.tar").write_bytes((emoji / "train-00000.tar").read_bytes())
    assert held_out(tmp_path, 16) is None
    assert held_out(emoji, 16, keep=lambda _: False) is None


def test_one_that_is_damaged_is_said(emoji, tmp_path):
    whole = (emoji / "heldout-00000.tar").read_bytes()
    (tmp_path / "train-00000.tar").write_bytes((emoji / "train-00000.tar").read_bytes())
    (tmp_path / "heldout-00000.tar").write_bytes(whole[: len(whole) // 2 - 100])
    with pytest.raises(Refused, match="heldout-00000"):
        held_out(tmp_path, 16)
