"""A scene is a function of the seed and its number, true in all that it says of itself, and keeps what is held out."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.data.scenes.colours import NAMES, PALETTE, TINTS
from unnoise.data.scenes.draw import HELD_OUT, held_out, key, scene_of, unseen
from unnoise.data.scenes.scene import BIG, SMALL, Background, Box, Mix, Scene, Thing
from unnoise.data.scenes.sprites import Sprites

numbers = st.integers(0, 2**40)
BUSY = Mix(alone=0.1, medley=0.2)


@given(numbers, numbers)
def test_the_same_numbers_give_the_same_scene(sprites: Sprites, seed: int, index: int) -> None:
    first = scene_of(sprites, BUSY, seed, index)
    scene_of(sprites, BUSY, seed, index + 1)
    assert scene_of(sprites, BUSY, seed, index) == first


def test_seeds_and_numbers_differ(sprites: Sprites) -> None:
    scenes = [scene_of(sprites, Mix(alone=0), seed, k) for seed in range(2) for k in range(100)]
    assert len(set(scenes)) > 195  # the things are few: what is placed in the middle of white comes again


@pytest.mark.parametrize("kind", ["alone", "placed", "counted", "pair", "row"])
def test_the_house_style_has_its_share(sprites: Sprites, kind: str) -> None:
    only = dict.fromkeys(("alone", "placed", "counted", "pair", "row"), 0.0) | {kind: 1.0}

    def share(housed: float) -> float:
        mix = Mix(**only, medley=0, house="round", housed=housed)
        return sum(scene_of(sprites, mix, 0, k).style == "round" for k in range(300)) / 300

    assert share(0) == 0 and share(1) == 1
    assert 0.66 < share(0.75) < 0.84  # three standard deviations


@given(numbers)
def test_nothing_leaves_the_picture_or_covers_another(sprites: Sprites, index: int) -> None:
    boxes = [box for thing in scene_of(sprites, BUSY, 0, index).things for box in thing.boxes]
    assert all(box.left >= 0 and box.top >= 0 and box.right <= 1 and box.bottom <= 1 for box in boxes)
    for one, other in combinations(boxes, 2):
        assert min(one.right, other.right) <= max(one.left, other.left) or (
            min(one.bottom, other.bottom) <= max(one.top, other.top)
        )
    assert all(min(box.width, box.height) > 0.02 for box in boxes)


@given(numbers)
def test_things_are_in_order(sprites: Sprites, index: int) -> None:
    scene = scene_of(sprites, Mix(alone=0, placed=0, counted=0), 1, index)
    along = 0 if scene.axis == "across" else 1
    for first, second in zip(scene.things, scene.things[1:], strict=False):
        ends = [(box.right, box.bottom)[along] for box in first.boxes]
        assert max(ends) < min((box.left, box.top)[along] for box in second.boxes)
        if scene.kind == "pair" and len(first.boxes) == len(second.boxes) == 1:
            apart = [abs(a - b) for a, b in zip(first.boxes[0].middle, second.boxes[0].middle, strict=True)]
            assert apart[along] > apart[1 - along]


@given(numbers)
def test_sizes_and_shapes_are_true(sprites: Sprites, index: int) -> None:
    scene = scene_of(sprites, BUSY, 2, index)
    for thing in scene.things:
        ratio = sprites.all[thing.sprite].ratio
        for box in thing.boxes:
            longest = max(box.width, box.height)
            assert box.width / box.height == pytest.approx(ratio)
            assert thing.size != "small" or longest <= SMALL
            assert thing.size != "big" or longest >= BIG
            assert scene.kind != "placed" or thing.size or SMALL < longest < BIG


@given(numbers)
def test_kinds_have_what_they_say(sprites: Sprites, index: int) -> None:
    scene = scene_of(sprites, BUSY, 3, index)
    counts = [len(thing.boxes) for thing in scene.things]
    expected = {
        "alone": counts == [1] and len(scene.background.names) == 1,
        "placed": counts == [1] and bool(scene.place),
        "counted": len(counts) == 1 and 2 <= counts[0] <= 5,
        "pair": len(counts) == 2 and min(counts) == 1 and max(counts) <= 3,
        "row": counts == [1, 1, 1],
    }
    assert expected[scene.kind]
    assert bool(scene.axis) == (len(counts) > 1)
    styles = {sprites.all[thing.sprite].style for thing in scene.things}
    assert scene.style == (styles.pop() if len(styles) == 1 else "")
    if len(counts) > 1:
        said = [(thing.noun, thing.colour) for thing in scene.things]
        assert len(set(said)) == len(said)


def test_every_kind_comes_as_often_as_it_should(sprites: Sprites) -> None:
    scenes = [scene_of(sprites, Mix(), 5, k) for k in range(2000)]
    kinds = Counter(scene.kind for scene in scenes)
    mix = Mix()
    for kind in ("alone", "placed", "counted", "pair", "row"):
        assert kinds[kind] / 2000 == pytest.approx(getattr(mix, kind), abs=0.04)
    behind = Counter(len(s.background.names) for s in scenes if s.kind != "alone")
    assert behind[2] / (behind[1] + behind[2]) == pytest.approx(mix.gradient, abs=0.05)
    assert {len(s.things[0].boxes) for s in scenes if s.kind == "counted"} == {2, 3, 4, 5}
    grounded = [s.background.names != ("white",) for s in scenes if s.kind == "alone"]
    assert sum(grounded) / len(grounded) == pytest.approx(mix.grounded, abs=0.05)
    tinted = [bool(s.things[0].tint) for s in scenes if s.kind == "alone"]
    assert 0.08 < sum(tinted) / len(tinted) < 0.24


def test_some_are_mirrored_but_no_moon(sprites: Sprites) -> None:
    things = [thing for k in range(300) for thing in scene_of(sprites, BUSY, 6, k).things]
    assert {thing.mirrored for thing in things if thing.noun == "apple"} == {True, False}
    assert {thing.mirrored for thing in things if thing.noun == "half moon"} == {False}
    still = Mix(alone=0.1, mirrored=0)
    assert not any(thing.mirrored for k in range(50) for thing in scene_of(sprites, still, 6, k).things)


def test_what_is_alone_lies_as_in_its_picture(sprites: Sprites) -> None:
    for k in range(60):
        (thing,) = scene_of(sprites, Mix(placed=0, counted=0, pair=0, row=0), 7, k).things
        sprite, box = sprites.all[thing.sprite], thing.boxes[0]
        left = 1 - box.right if thing.mirrored else box.left
        assert (left, box.top) == pytest.approx(sprite.corner)
        assert box.width * sprite.side == pytest.approx(sprite.pixels.shape[1])


def test_training_never_sees_what_is_held_out(sprites: Sprites) -> None:
    seen = [scene_of(sprites, BUSY, 8, k) for k in range(600)]
    other = [scene_of(sprites, BUSY, 8, k, "unseen") for k in range(60)]
    mixed = [scene_of(sprites, BUSY, 8, k, "any") for k in range(600)]

    def told(scenes: list[Scene]) -> set[str]:
        given = {f"{t.tint} {t.noun}" for s in scenes for t in s.things if t.tint}
        pairs = {" & ".join(sorted((a.noun, b.noun))) for s in scenes for a, b in combinations(s.things, 2)}
        return {each for each in given | pairs if held_out(each)}

    # A colour that a thing has by nature in one of the styles cannot be held out.
    natural = {f"{colour} {noun}" for noun, colour in sprites.natural}
    assert told(seen) <= natural
    assert told(other) - natural and told(mixed) - natural
    assert all(unseen(scene, sprites.natural) for scene in other)


def test_the_split_is_by_names_alone() -> None:
    every = [f"{colour} thing{k}" for colour in TINTS for k in range(500)]
    assert sum(map(held_out, every)) / len(every) == pytest.approx(HELD_OUT / 1000, abs=0.01)
    things = tuple(Thing(0, noun, "", "", "", False, (Box(0, 0, 1, 1),)) for noun in ("cup", "apple"))
    scene = Scene("pair", things, "across", "", Background(("white",), (PALETTE["white"],)), "")
    assert unseen(scene, ()) == held_out("apple & cup")
    # Written down, so that a changed hash does not quietly make a trained model's unseen combinations seen.
    asked = (f"{colour} {noun}" for noun in ("apple", "cup", "dog", "star", "hat", "cat") for colour in NAMES)
    assert [combination for combination in asked if held_out(combination)] == ["brown star"]


def test_what_cannot_be_drawn_is_refused(sprites: Sprites) -> None:
    with pytest.raises(Refused, match="no unseen combination turns up"):
        scene_of(sprites, Mix(tinted=0, pair=0, row=0), 0, 0, "unseen")
    few = Sprites(sprites.all[:1])
    assert {scene_of(few, BUSY, 0, k).kind for k in range(60)} == {"alone", "placed", "counted"}


def test_keys_are_spread() -> None:
    assert len({key(seed, k) for seed in range(30) for k in range(30)}) == 900
    assert key(1, 23) != key(12, 3)
