"""The measure of retrieval: made pictures beside the real ones of the same words, by a judge that may be anyone's."""

from dataclasses import replace

import pytest
import torch

from evaluate.sets import noise, pictures
from judging import judge_file
from unnoise.core.error import Refused
from unnoise.evaluate.case import Case
from unnoise.evaluate.draw import draw
from unnoise.evaluate.judge import opened
from unnoise.evaluate.measures import MEASURES, chosen
from unnoise.evaluate.retrieval import known, places

TRAIN, HELDOUT = pictures(noise(40)), pictures(noise(12, 1), word="other")


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    return str(judge_file(tmp_path_factory.mktemp("judge")))


def figures(judge, case, **options):
    return {f.title: f for f in MEASURES["retrieval"](judge=judge, **options)(case)}


def made(images, **changes):
    drawn = draw(TRAIN, HELDOUT, len(images))
    return Case(**{"train": TRAIN, "heldout": HELDOUT, "drawn": drawn, "made": images, "rounds": 20, **changes})


def test_all_the_real_pictures_where_none_were_made(judge):
    found = figures(judge, Case(train=TRAIN, heldout=HELDOUT, rounds=20), concepts=10)
    assert list(found) == [
        f"retrieval, top-{k} of {n}" for n in ("12 held-out concepts", "10 trained concepts") for k in (1, 5)
    ]
    assert [f.value.count for f in found.values()] == [12, 12, 10, 10]
    assert all(f.beside is None and f.better == "higher" for f in found.values())
    place = places(opened(judge), HELDOUT.images, torch.arange(12), known(HELDOUT))
    one, five = (found[f"retrieval, top-{k} of 12 held-out concepts"] for k in (1, 5))
    assert one.value.value == float((place == 0).double().mean())
    assert five.value.value == float((place < 5).double().mean()) > one.value.value
    assert one.found["place"] == place.tolist()


def test_pictures_that_are_the_real_ones_fare_as_they_do(judge):
    case = made(noise(8, 2))
    same = replace(case, made=case.real)
    for figure in figures(judge, same).values():
        assert figure.value == figure.beside and figure.value.count == 4


def test_made_pictures_are_measured_and_not_the_real_ones(judge):
    case = made(noise(20, 2))
    swapped = replace(case, made=case.real.roll(2, 0))  # each the real one of another of its part
    right, wrong = (figures(judge, c) for c in (replace(case, made=case.real), swapped))
    for title, figure in wrong.items():
        assert figure.beside == right[title].beside and figure.found["place"] != right[title].found["place"]
        assert figure.found["pictures"] == right[title].found["pictures"]


def test_what_was_asked_for_in_other_words_is_left_out(judge):
    case = made(noise(8, 2))
    other = [replace(d, prompt="something else") if d.split == "heldout" else d for d in case.drawn]
    found = figures(judge, replace(case, drawn=other))
    assert found and not [title for title in found if "held-out" in title]
    full = [replace(d, prompt=HELDOUT.captions[d.index][0]) if d.split == "heldout" else d for d in case.drawn]
    assert figures(judge, replace(case, drawn=full)).keys() == figures(judge, case).keys()


def test_trained_things_that_are_asked_for_are_on_the_list(judge):
    found = figures(judge, made(noise(20, 2)), concepts=10)
    (figure,) = (f for title, f in found.items() if "top-1 of 10 trained" in title)
    assert figure.value.count == 10
    assert "trained on" in figure.note


def test_the_style_may_be_given(judge):
    plain, styled = (figures(judge, Case(train=TRAIN, heldout=HELDOUT), style=style) for style in (False, True))
    assert [f"{title}, style given" for title in plain] == list(styled)
    assert [f.found["place"] for f in plain.values()] != [f.found["place"] for f in styled.values()]


def test_without_a_judge_it_says_how_to_get_one():
    with pytest.raises(Refused, match="unnoise train emoji_judge"):
        list(MEASURES["retrieval"](judge="missing")(Case(train=TRAIN)))
    with pytest.raises(Refused, match="tell apart"):
        chosen(["retrieval:concepts=1"], frozenset({"data"}))
