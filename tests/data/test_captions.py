"""Captions vary as people's prompts do, and only by the draw."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.data.captions import Variants, any_of, first, sided, with_article

CAPTIONS = ("red apple, fluent 3d emoji, glossy 3d render",)
TAGS = {"name": "red apple", "style": "fluent-3d", "keywords": "fruit, mac, school, 🍎 core, x1"}


def _drawn(choose: Variants, times: int = 4000) -> Counter[str]:
    return Counter(choose(CAPTIONS, TAGS, Random(k)) for k in range(times))


def test_every_kind_of_caption_is_drawn() -> None:
    drawn = _drawn(Variants())
    kinds = {
        "red apple",
        "a red apple",
        *CAPTIONS,
        "a red apple, glossy 3d render",
        "red apple, fluent 3d emoji",
        "red apple, fruit, mac",
        "fruit, school, mac",
    }
    assert kinds <= set(drawn)
    assert not any("🍎" in caption or "x1" in caption for caption in drawn)


def test_weights_are_kept() -> None:
    drawn = _drawn(Variants(name=3, styled=0, detailed=0, keywords=1, article=0.5))
    assert abs(drawn["red apple"] / 4000 - 0.375) < 0.03
    assert abs(drawn["a red apple"] / 4000 - 0.375) < 0.03
    assert set(_drawn(Variants(name=1, styled=0, detailed=0, keywords=0, article=1))) == {"a red apple"}
    assert set(_drawn(Variants(name=0, styled=0, detailed=0, keywords=0, article=0))) == {"red apple"}


def test_without_a_name_any_caption_will_do() -> None:
    assert {Variants()(("a", "b"), {}, Random(k)) for k in range(50)} == {"a", "b"}
    assert Variants()((), {}, Random(0)) == first((), {}, Random(0)) == any_of((), {}, Random(0)) == ""
    assert first(("a", "b"), {}, Random(0)) == "a"


def test_without_style_and_keywords_the_name_remains() -> None:
    choose = Variants(name=0)
    assert {choose(("a photo of a hat",), {"name": "hat"}, Random(k)) for k in range(50)} == {"hat", "a hat"}


@given(st.lists(st.text(), max_size=3), st.text(), st.text(), st.integers())
def test_any_metadata_gives_the_same_text_for_the_same_draw(texts, name, keywords, seed) -> None:
    tags = {"name": name, "keywords": keywords}
    one, other = (Variants()(tuple(texts), tags, Random(seed)) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("red apple", "a red apple"),
        ("umbrella", "an umbrella"),
        ("unicorn", "a unicorn"),
        ("hourglass done", "an hourglass done"),
        ("euro banknote", "a euro banknote"),
        ("x-ray", "an x-ray"),
        ("glass of milk", "a glass of milk"),
        ("bus stop", "a bus stop"),
        ("octopus", "an octopus"),
        ("compass", "a compass"),
        ("man with veil", "a man with veil"),
        ("rhinoceros", "a rhinoceros"),
        ("grapes", "grapes"),
        ("crossed fingers", "crossed fingers"),
        ("women with bunny ears", "women with bunny ears"),
        ("two hearts", "two hearts"),
        ("ten o'clock", "ten o'clock"),
        ("Mrs. Claus", "Mrs. Claus"),
        ("FREE button", "FREE button"),
        ("woman, bald", "woman, bald"),
        ("a cat", "a cat"),
        ("", ""),
    ],
)
def test_articles(name: str, expected: str) -> None:
    assert with_article(name) == expected


def test_a_mirrored_clock_tells_another_time() -> None:
    clocks = ("three o'clock", "waxing crescent moon", "left speech bubble", "chart increasing", "rightwards hand")
    assert all(map(sided, (*clocks, "hundred points", "musical notes", "ZZZ", "a cup left of a plate")))
    assert not any(map(sided, ("red apple", "dog", "brightness", "notebook", "")))
