"""Questions are true of their scenes, and only the right answers are right."""

import pytest

from evaluate.witnesses import STYLES, THINGS, config, sprite, sprites
from unnoise.core.error import Refused
from unnoise.data.scenes.draw import scene_of
from unnoise.data.scenes.scene import Mix
from unnoise.data.scenes.sprites import Sprites
from unnoise.evaluate.compositional import BACKGROUNDS, KINDS, SEVERAL, Question, answers, asked
from unnoise.networks.witness import NOTHING

SPRITES = sprites()
ASKED = list(asked(SPRITES, 12, 0))


def read(scene):
    """The right answers of a scene, in words."""
    known = config().questions
    return {name: known[name][k] for name, k in answers(scene, config()).items() if k >= 0}


def test_every_kind_is_asked_as_often_and_is_right_of_its_own_scene() -> None:
    assert [q.kind for q, _ in ASKED] == [kind for kind in KINDS for _ in range(12)]
    for question, scene in ASKED:
        assert question.right(read(scene)) and question.things(read(scene)), question


def test_a_question_asks_for_what_its_kind_says() -> None:
    others = {"position": "relation", "two objects": "count"}
    for question, _ in ASKED:
        assert set(question.wanted) - {"first", "second"} == {others.get(question.kind, question.kind)}
        assert ("second" in question.wanted) == (question.kind in others)


def test_words_say_what_is_wanted_and_nothing_else() -> None:
    by_kind = {kind: [q for q, _ in ASKED if q.kind == kind] for kind in KINDS}
    assert all(q.wanted["colour"] in q.prompt.split() for q in by_kind["colour"])
    numbers = ("", "one", "two", "three", "four", "five")
    assert all(q.prompt.split()[0] == numbers[int(q.wanted["count"])] for q in by_kind["count"])
    for q in by_kind["position"]:
        first, second = q.prompt.split(f" {q.wanted['relation']} ")
        assert first.split()[1:] == [q.wanted["first"]] and second.split()[1:] == [q.wanted["second"]]
    assert all(q.prompt.endswith(f"{q.wanted['style']} emoji") for q in by_kind["style"])
    assert all(q.prompt.endswith(f" {q.wanted['background']} background") for q in by_kind["background"])
    assert {q.wanted["relation"] for q in by_kind["position"]} == {"left of", "above"}


def test_what_is_not_asked_for_is_plain() -> None:
    for question, scene in ASKED:
        white = scene.background.names == ("white",)
        assert white == (question.kind != "background") and question.wanted.get("background") != SEVERAL
        assert any(thing.tint for thing in scene.things) == (question.kind == "colour")
        if len(scene.things) == 2:
            assert {thing.size for thing in scene.things} == {""} and all(len(t.boxes) == 1 for t in scene.things)


def test_seeds_ask_other_things_and_the_same_seed_the_same() -> None:
    again, other = ([q for q, _ in asked(SPRITES, 12, seed)] for seed in (0, 1))
    assert again == [q for q, _ in ASKED] and other != again


def test_answers_of_a_scene() -> None:
    for k in range(200):
        scene = scene_of(SPRITES, Mix(), 3, k, "any")
        found, things = read(scene), scene.things
        assert found["first"] == things[0].noun and found.get("style", "") == scene.style
        assert found["second"] == (things[1].noun if len(things) > 1 else NOTHING)
        assert found.get("colour", "") == things[0].colour
        assert found["relation"] == {"across": "left of", "down": "above", "": NOTHING}[scene.axis]
        assert found["background"] == (SEVERAL if scene.background.axis else scene.background.names[0])
        assert found["count"] == str(sum(len(thing.boxes) for thing in things))


def test_what_cannot_be_answered_has_no_number() -> None:
    scene = next(s for k in range(200) if not (s := scene_of(SPRITES, Mix(medley=1, pair=1), 0, k, "any")).style)
    assert answers(scene, config())["style"] == -1
    assert answers(scene, config(things=("pear",)))["first"] == -1


def test_the_right_thing_in_the_wrong_place_is_wrong() -> None:
    wanted = {"first": "apple", "second": "cup", "relation": "left of"}
    question = Question("position", "an apple left of a cup", wanted)
    assert question.right(wanted)
    swapped = wanted | {"first": "cup", "second": "apple"}
    assert not question.right(swapped) and not question.things(swapped)
    assert not question.right(wanted | {"relation": "above"}) and question.things(wanted | {"relation": "above"})


def test_two_things_may_stand_either_way_but_must_be_two() -> None:
    wanted = {"first": "apple", "second": "cup", "count": "2"}
    question = Question("two objects", "an apple and a cup", wanted)
    swapped = wanted | {"first": "cup", "second": "apple"}
    assert question.right(wanted) and question.right(swapped | {"relation": "above"})
    assert not question.right(wanted | {"count": "3"}) and not question.right(wanted | {"second": "apple"})
    assert not question.right(wanted | {"first": "cup"})  # a cup and a cup


def test_the_right_colour_on_the_wrong_thing_is_wrong() -> None:
    question = Question("colour", "a red cup", {"first": "cup", "colour": "red"})
    assert question.right({"first": "cup", "colour": "red"})
    assert not question.right({"first": "star", "colour": "red"})
    blue = {"first": "cup", "colour": "blue"}
    assert not question.right(blue) and question.things(blue)


def test_things_that_allow_no_question_are_refused(monkeypatch) -> None:
    from unnoise.evaluate import compositional

    monkeypatch.setattr(compositional, "TRIES", 5)
    alone = Sprites(tuple(sprite("cup", style, (0.2, 0.4, 0.9)) for style in STYLES))
    with pytest.raises(Refused):
        list(asked(alone, 2, 0))
    assert set(THINGS) == {s.noun for s in SPRITES.all} and len(BACKGROUNDS) == 15
