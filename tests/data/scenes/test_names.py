"""Articles, plurals and colours of names are English, and what cannot be counted is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.data.scenes.names import colour_in, colourless, many, one, plural, stands
from unnoise.data.source import items, open_source


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("apple", "apples"),
        ("bus", "buses"),
        ("fox", "foxes"),
        ("church", "churches"),
        ("toothbrush", "toothbrushes"),
        ("cherry blossom", "cherry blossoms"),
        ("butterfly", "butterflies"),
        ("monkey", "monkeys"),
        ("computer mouse", "computer mice"),
        ("goose", "geese"),
        ("kitchen knife", "kitchen knives"),
        ("maple leaf", "maple leaves"),
        ("wolf", "wolves"),
        ("tropical fish", "tropical fish"),
        ("jellyfish", "jellyfish"),
        ("deer", "deer"),
        ("cactus", "cacti"),
        ("tomato", "tomatoes"),
        ("kangaroo", "kangaroos"),
        ("game die", "game dice"),
        ("snowman", "snowmen"),
        ("woman", "women"),
        ("woman running", "women running"),
        ("man mountain biking", "men mountain biking"),
        ("woman artist", "woman artists"),
        ("glass of milk", "glasses of milk"),
        ("ear of corn", "ears of corn"),
        ("heart on fire", "hearts on fire"),
        ("face blowing a kiss", "faces blowing a kiss"),
        ("grinning squinting face", "grinning squinting faces"),
        ("office building", "office buildings"),
        ("umbrella with rain drops", "umbrellas with rain drops"),
        ("Christmas tree", "Christmas trees"),
        ("T-Rex", "T-Rexes"),
        ("x-ray", "x-rays"),
    ],
)
def test_plurals(noun: str, expected: str) -> None:
    assert plural(noun) == expected


@pytest.mark.parametrize(
    "noun",
    [
        *("grapes", "scissors", "skis", "butter", "sushi", "ice cream", "cityscape at dusk", "money with wings"),
        *("fork and knife", "three o'clock", "man, bald", "Statue of Liberty", "person in bed", "woman feeding baby"),
        *("1st place medal", "two hearts", "women wrestling", "person running facing right"),
    ],
)
def test_what_cannot_be_counted_is_not(noun: str) -> None:
    assert plural(noun) == ""


@pytest.mark.parametrize(
    ("noun", "before", "expected"),
    [
        ("apple", "", "an apple"),
        ("apple", "red", "a red apple"),
        ("cup", "small orange", "a small orange cup"),
        ("cup", "orange", "an orange cup"),
        ("grapes", "green", "green grapes"),
        ("butter", "", "butter"),
        ("butter", "small", "small butter"),
        ("T-Rex", "", "a T-Rex"),
        ("T-Rex", "blue", "a blue T-Rex"),
        ("Japanese castle", "", "a Japanese castle"),
        ("OK hand", "", "an OK hand"),
        ("Santa Claus", "", "Santa Claus"),
        ("eight-thirty", "", "eight-thirty"),
        ("foggy", "", "foggy"),
    ],
)
def test_one_thing(noun: str, before: str, expected: str) -> None:
    assert one(noun, before) == expected


def test_several_things() -> None:
    assert many(3, "apple", "small red") == "three small red apples"
    assert many(5, "goose") == "five geese"


def test_colours_in_names() -> None:
    assert colour_in("red apple") == ("red", "apple")
    assert colour_in("red heart") == ("red", "heart")
    assert colour_in("apple") == ("", "apple")
    assert colour_in("redwood tree") == ("", "redwood tree")
    assert not colourless("light blue heart")
    assert not colourless("leafy green")
    assert colourless("greenhouse")


@given(
    st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=12),
    st.sampled_from(("", "red", "small orange")),
)
def test_any_name_at_all_is_said_somehow(name: str, before: str) -> None:
    assert name in one(name, before)
    assert plural(name) == "" or stands(name)


def test_the_sets_own_plurals_are_no_names_that_end_twice(shared) -> None:
    source = open_source(shared / "data" / "emoji128", "heldout")
    nouns = {
        colour_in(item.tags["name"])[1] for item in items(source) if item.tags["group"] not in ("Flags", "Symbols")
    }
    counted = {noun: plural(noun) for noun in nouns if plural(noun)}
    assert len(counted) > 20
    assert {"buses": "bus", "foxes": "fox", "llamas": "llama"}.items() <= {v: k for k, v in counted.items()}.items()
    assert not [many for many in counted.values() if many.endswith(("ss", "ses es", "sses es"))]
