"""Emoji are told apart by code points, and held out by what they show."""

import pytest

from unnoise.data.emoji.points import concept, found, heldout, read, toned, written


def test_codes_are_read_however_they_are_written() -> None:
    astronaut = (0x1F468, 0x200D, 0x1F680)
    for text in ("1f468-200d-1f680", "1F468 200D 1F680", "1f468_200d_1f680"):
        assert read(text) == astronaut
    assert written(astronaut) == "1f468-200d-1f680"
    assert read("0023_fe0f_20e3") == (0x23, 0x20E3)  # the mark for coloured is no part of it, nor are leading zeros
    assert found("README") is None and found("110000") is None and found("") is None and found("1f34e") == (0x1F34E,)


def test_what_is_longer_than_any_emoji_is_none() -> None:
    kiss = "1f468-1f3fb-200d-2764-fe0f-200d-1f48b-200d-1f468-1f3fc"
    assert len(read(kiss)) == 9
    with pytest.raises(ValueError, match="1f34e"):
        read("-".join(["1f34e"] * 40))
    assert found("-".join(["1f34e"] * 11)) is None


def test_skin_tones_are_seen() -> None:
    assert toned(read("1f44b-1f3fb")) and toned(read("1f3fd"))
    assert not toned(read("1f44b"))


@pytest.mark.parametrize(
    "same",
    [
        ["1f680-1f680", "1f680-1f680-1f3fb"],
        ["1f468-200d-1f680", "1f469-200d-1f680", "1f9d1-200d-1f680", "1f469-1f3fb-200d-1f680", "1f680"],
        ["1f6b6", "1f6b6-200d-2640", "1f6b6-200d-2642-fe0f-200d-27a1-fe0f"],
    ],
)
def test_whoever_shows_it_it_is_one_concept(same: list[str]) -> None:
    assert len({concept(read(code)) for code in same}) == 1


def test_different_things_are_different_concepts() -> None:
    codes = ["1f468", "1f469", "1f9d1", "1f680", "1f3c3", "1f1eb-1f1f7", "1f1eb-1f1ee", "2b05", "27a1"]
    assert len({concept(read(code)) for code in codes}) == len(codes)


def test_the_ready_set_is_split_as_we_split(ready) -> None:
    assert len(ready) == 2280
    wrong = [r.tags["name"] for r in ready if heldout(read(r.tags["codepoints"]), 0.03) != r.heldout]
    assert wrong == []
    assert len({concept(read(r.tags["codepoints"])) for r in ready if r.heldout}) == 52


def test_a_larger_share_holds_out_what_a_smaller_one_does() -> None:
    emoji = [(point,) for point in range(0x1F300, 0x1F700)]
    assert not any(heldout(one, 0.0) for one in emoji)
    few, many = ({one for one in emoji if heldout(one, share)} for share in (0.03, 0.3))
    assert few < many and 0.25 < len(many) / len(emoji) < 0.35
