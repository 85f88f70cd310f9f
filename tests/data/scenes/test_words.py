"""Whatever a caption says is in the picture, and in order; whatever was changed is said."""

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.data.scenes.colours import NAMES
from unnoise.data.scenes.draw import scene_of
from unnoise.data.scenes.scene import Mix, Scene, Thing
from unnoise.data.scenes.sprites import Sprites
from unnoise.data.scenes.walls import WALLS
from unnoise.data.scenes.words import captions

MANY = {"apple": "apples", "cup": "cups", "star": "stars", "dog": "dogs", "leaf": "leaves", "half moon": "half moons"}
ONE = {many: one for one, many in MANY.items()}
COUNTS = {"": 1, "a": 1, "an": 1, "two": 2, "three": 3, "four": 4, "five": 5, "2": 2, "3": 3, "4": 4, "5": 5}
THING = re.compile(
    rf"(?:\b(?P<count>{'|'.join(filter(None, COUNTS))}) )?(?:\b(?P<size>small|big) )?"
    rf"(?:\b(?P<colour>{'|'.join(NAMES)}) )?\b(?P<noun>{'|'.join((*ONE, *MANY, 'grapes', 'butter'))})\b"
)
WALL = "|".join(sorted(WALLS, key=len, reverse=True))
PLACE = re.compile(
    r" (?:in the (?P<middle>middle|center|centre)|in the (?P<corner>\w+ \w+) corner"
    r"|at the (?P<at>(?:top|bottom)(?: left| right)?)|on the (?P<on>left|right)(?: side)?)(?=$|,| on )"
)
ABOUT = "|".join(("flat emoji", "flat art", "round emoji", "3d render", "flat style", "3d style"))
STYLE = re.compile(rf", (?P<style>{ABOUT})")

numbers = st.integers(0, 2**40)


def drawn(sprites: Sprites, index: int, **mix: float) -> tuple[Scene, tuple[str, ...]]:
    scene = scene_of(sprites, Mix(**mix), 0, index)
    return scene, captions(scene, sprites, Random(index))


def named(scene: Scene, caption: str) -> list[Thing]:
    """The things that a caption names, in its order; each must be there, as it is called."""
    left = list(scene.things)
    found = []
    for said in THING.finditer(caption):
        noun = ONE.get(said["noun"], said["noun"])
        fits = [t for t in left if t.noun == noun and (not said["colour"] or said["colour"] == t.colour)]
        assert fits, (caption, said[0])
        thing = next((t for t in fits if len(t.boxes) == COUNTS[said["count"] or ""]), fits[0])
        assert COUNTS[said["count"] or ""] == len(thing.boxes), caption
        assert (said["noun"] in ONE) == (len(thing.boxes) > 1), caption
        assert (said["size"] or thing.size) == thing.size, caption
        assert not thing.tint or said["colour"] == thing.tint, caption
        left.remove(thing)
        found.append(thing)
    assert not left, (caption, "does not name", left)
    return found


@given(numbers)
def test_things_are_named_as_they_are(sprites: Sprites, index: int) -> None:
    scene, told = drawn(sprites, index, alone=0.2)
    for caption in told:
        named(scene, caption)


@given(numbers)
def test_relations_hold(sprites: Sprites, index: int) -> None:
    scene, told = drawn(sprites, index, alone=0, placed=0, counted=0)
    for caption in told:
        things = named(scene, caption)
        first, second = things[:2]
        if found := re.search(r"\b(left of|right of|above|below|under|next to|between)\b", caption):
            before = {
                "left of": ("across", True),
                "right of": ("across", False),
                "above": ("down", True),
                "below": ("down", False),
                "under": ("down", False),
                "next to": ("across", None),
                "between": (scene.axis, None),
            }
            axis, order = before[found[1]]
            assert scene.axis == axis, caption
            along = 0 if axis == "across" else 1
            if order is not None:
                ahead = first.boxes[0].middle[along] < second.boxes[0].middle[along]
                assert ahead == order, caption
            if found[1] == "between":
                low, high = sorted(t.boxes[0].middle[along] for t in things[1:])
                assert low < first.boxes[0].middle[along] < high, caption
        if re.search(r"\bfrom (left to right|top to bottom):|in the middle and", caption):
            assert tuple(things) == scene.things
            assert ("left" in caption) == (scene.axis == "across") or " gradient from " in caption


@given(numbers)
def test_places_are_true(sprites: Sprites, index: int) -> None:
    scene, told = drawn(sprites, index, alone=0, counted=0, pair=0, row=0)
    x, y = scene.things[0].boxes[0].middle
    for caption in told:
        said = PLACE.search(re.sub(r" on a gradient from .* (?:on|at) the \w+", "", caption))
        if not said:
            continue
        place = said["corner"] or said["at"] or said["on"] or "middle"
        assert place == scene.place, caption
        assert ("left" in place, "right" in place) == (x < 1 / 3, x > 2 / 3)
        assert ("top" in place, "bottom" in place) == (y < 1 / 3, y > 2 / 3)


@given(numbers)
def test_backgrounds_are_true(sprites: Sprites, index: int) -> None:
    scene, told = drawn(sprites, index, alone=0.2)
    names, axis = scene.background.names, scene.background.axis
    for caption in told:
        if two := re.search(rf"\b({WALL}) (?:and|to) ({WALL}) (?:gradient|background)", caption):
            assert names == two.groups(), caption
        elif two := re.search(rf"gradient from ({WALL}) \w+ the (\w+) to ({WALL}) \w+ the (\w+)", caption):
            assert names == (two[1], two[3]), caption
            assert (two[2], two[4]) == {"across": ("left", "right"), "down": ("top", "bottom")}[axis], caption
        elif one := re.search(rf"\b({WALL}) background|\bon ({WALL})(?:,|$)", caption):
            assert names == (one[1] or one[2],), caption
        else:
            assert "background" not in caption and "gradient" not in caption
    if scene.kind == "alone" and names != ("white",):
        assert all(names[0] in caption for caption in told)  # a name alone asks for white
    elif names != ("white",):
        assert any("background" in caption or "gradient" in caption or f" on {names[0]}" in caption for caption in told)


@given(numbers)
def test_styles_are_true_and_a_medley_has_none(sprites: Sprites, index: int) -> None:
    scene, told = drawn(sprites, index, alone=0.2, medley=0.5)
    said = {style for caption in told for style in STYLE.findall(caption)}
    flat, other = {"flat emoji", "flat art", "flat style"}, {"round emoji", "3d render", "3d style"}
    assert said <= {"flat": flat, "round": other, "": set()}[scene.style]
    assert bool(said) == bool(scene.style)


@given(numbers)
def test_only_the_house_style_is_left_unsaid(sprites: Sprites, index: int) -> None:
    scene = scene_of(sprites, Mix(house="round", alone=0.3), 0, index)
    told = captions(scene, sprites, Random(index), "round")
    said = [bool(STYLE.search(caption)) for caption in told]
    assert scene.style != "flat" or all(said)
    assert scene.style != "round" or not all(said)
    assert len(set(told)) == len(told)


@given(numbers)
def test_the_fullest_says_all(sprites: Sprites, index: int) -> None:
    scene, (full, *_) = drawn(sprites, index, alone=0)
    for thing, said in zip(named(scene, full), THING.finditer(full), strict=True):
        assert (said["colour"] or "") == thing.colour
        assert (said["size"] or "") == thing.size
    assert bool(PLACE.search(full)) or not scene.place or scene.kind != "placed"
    assert bool(STYLE.search(full)) == bool(scene.style)


@given(numbers)
def test_captions_are_english_and_differ(sprites: Sprites, index: int) -> None:
    _, told = drawn(sprites, index)
    assert len(set(told)) == len(told) >= 3
    for caption in told:
        assert caption == caption.strip() and "  " not in caption and " ," not in caption
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", caption), caption
        assert not re.search(rf"\b(?:a|an) (?:(?:small|big|{'|'.join(NAMES)}) )*(?:grapes|butter)", caption), caption


@given(numbers, numbers)
def test_the_same_draw_says_the_same(sprites: Sprites, index: int, seed: int) -> None:
    scene = scene_of(sprites, Mix(), 0, index)
    assert captions(scene, sprites, Random(seed)) == captions(scene, sprites, Random(seed))


@pytest.mark.parametrize("kind", ["alone", "placed", "counted", "pair", "row"])
def test_ways_to_say_it_vary(sprites: Sprites, kind: str) -> None:
    only = dict.fromkeys(("alone", "placed", "counted", "pair", "row"), 0.0) | {kind: 1.0}
    scene = scene_of(sprites, Mix(**only), 0, 3)
    said = {caption for k in range(40) for caption in captions(scene, sprites, Random(k))}
    assert len(said) >= 9, said


def test_one_thing_is_mostly_asked_for_by_its_name(sprites: Sprites) -> None:
    for k in range(50):
        scene, told = drawn(sprites, k, placed=0, counted=0, pair=0, row=0, tinted=0, grounded=0)
        name = sprites.all[scene.things[0].sprite].name
        assert name in told
        assert all(name in caption or scene.things[0].noun in caption for caption in told)
