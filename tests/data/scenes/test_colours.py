"""Colours have the names that people give them, and a thing takes another colour without losing its light and shade."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.data.scenes.colours import NAMES, PALETTE, TINTS, body, named, share, tinted
from unnoise.data.scenes.walls import WALLS

hexes = {
    "red": ("dd2e44", "f8312f", "c01a1a"),
    "orange": ("f4900c", "ff822d"),
    "yellow": ("ffcc4d", "fcc21b", "f9c23c"),
    "green": ("77b255", "3e721d", "00d26a", "c6e5b3"),
    "blue": ("55acee", "0074ba", "226699", "9cd7ff"),
    "purple": ("aa8dd8", "8d65c5", "553788"),
    "pink": ("f4abba", "f70a8d"),
    "brown": ("662113", "c1694f", "8a4b38", "6d4534"),
    "black": ("000000", "212121", "292f33", "321b41"),
    "grey": ("99aab5", "9b9b9b", "636363"),
    "white": ("ffffff", "f4f4f4"),
}


def rgb(code: str) -> np.ndarray:
    return np.array([int(code[k : k + 2], 16) for k in (0, 2, 4)], np.float32) / 255


def called(colour: np.ndarray) -> str:
    return (*NAMES, "")[named(colour)]


@pytest.mark.parametrize(("name", "code"), [(name, code) for name, codes in hexes.items() for code in codes])
def test_the_sets_own_colours_are_called_as_people_do(name: str, code: str) -> None:
    assert called(rgb(code)) == name


@pytest.mark.parametrize("code", ["ffe8b6", "00a6a6", "ccd6dd", "f3c199", "ea596e"])
def test_what_people_would_not_agree_on_has_no_name(code: str) -> None:
    assert called(rgb(code)) == ""  # beige, teal, a bluish white, a light skin, between red and pink


def test_examples_and_walls_are_what_they_are_called() -> None:
    for name, colour in (*PALETTE.items(), *WALLS.items()):
        assert called(np.array(colour)) == name.rpartition(" ")[2], name


def test_shares_add_up_to_what_has_a_name() -> None:
    some = np.stack([rgb("ffffff"), rgb("dd2e44"), rgb("dd2e44"), rgb("00a6a6")])
    found = dict(zip(NAMES, share(some).tolist(), strict=True))
    assert (found["red"], found["white"], sum(found.values())) == (0.5, 0.25, 0.75)


def test_a_thing_of_one_hue_has_its_own_colour_and_a_rainbow_none() -> None:
    shaded = np.linspace(0.4, 1, 50)[:, None] * np.array(PALETTE["red"])
    own = body(np.concatenate([shaded, np.ones((10, 3)), [PALETTE["green"]] * 5]))
    assert own is not None and np.allclose(own, shaded.mean(0), atol=1e-6)
    assert body(np.array([PALETTE[name] for name in TINTS])) is None
    assert body(np.array([PALETTE["red"]] * 4 + [PALETTE["white"]] * 6)) is None
    assert body(np.array([PALETTE["grey"]] * 9)) is None


@pytest.mark.parametrize("wanted", TINTS)
def test_the_mean_becomes_the_colour_wanted_and_the_rest_stays(wanted: str) -> None:
    own = PALETTE["red"]
    still = np.array([PALETTE["white"], PALETTE["black"], PALETTE["grey"], PALETTE["green"]])
    some = np.concatenate([[own], still])
    (changed,) = tinted(some, np.ones((5, 1)), own, [wanted])
    assert np.allclose(changed[0], PALETTE[wanted], atol=1e-6)
    assert np.allclose(changed[1:], still, atol=1e-6)


def test_light_and_shade_remain() -> None:
    shaded = np.linspace(0.3, 1, 20)[:, None] * np.array(PALETTE["red"])
    (blue,) = tinted(shaded, np.ones((20, 1)), PALETTE["red"], ["blue"])
    assert (np.diff(blue.sum(1)) > 0).all()


colours = st.tuples(*[st.floats(0, 1)] * 3)


@given(colours, st.floats(0.05, 1), st.sampled_from(TINTS), st.sampled_from(TINTS))
def test_an_edge_is_the_same_colour_thinned(colour, alpha, own, wanted) -> None:
    whole = np.array([colour])
    (opaque,) = tinted(whole, np.ones((1, 1)), PALETTE[own], [wanted])
    (edge,) = tinted(whole * alpha, np.full((1, 1), alpha), PALETTE[own], [wanted])
    assert np.allclose(edge, opaque * alpha, atol=2e-3)
    assert (edge >= 0).all() and (edge <= alpha).all()
