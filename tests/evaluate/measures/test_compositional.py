"""What was drawn is asked about; beside it stand real scenes of the same words."""

import pytest
import torch

from evaluate.sets import noise, pictures
from evaluate.witnesses import Saying, questions
from unnoise.core.error import Refused
from unnoise.evaluate import exam as module
from unnoise.evaluate.case import Case
from unnoise.evaluate.compositional import KINDS
from unnoise.evaluate.exam import Answered, Exam
from unnoise.evaluate.measures import MEASURES, chosen

ASKED = questions(4)
NOTHING = dict.fromkeys(("first", "second", "colour", "count", "relation", "background", "style"), "")


@pytest.fixture(autouse=True)
def exam(monkeypatch):
    saying = Saying([NOTHING | dict(q.wanted) for q in ASKED] + [NOTHING])
    real = tuple(Answered(q, True, k % 4 != 0) for k, q in enumerate(ASKED))
    monkeypatch.setattr(module, "opened", lambda _: Exam("tiny", saying, real))


def case(right):
    """A model that draws what is asked where `right` says so."""
    calls = []

    def draws(name, prompts):
        calls.append((name, list(prompts)))
        rows = [next(k for k, q in enumerate(ASKED) if q.prompt == prompt) for prompt in prompts]
        made = torch.tensor([k if right(ASKED[k]) else len(ASKED) for k in rows])
        return made[:, None, None, None].expand(-1, 3, 8, 8).byte()

    return Case(train=pictures(noise(4)), draws=draws, rounds=20), calls


def test_a_figure_a_kind_and_one_for_all() -> None:
    given, calls = case(lambda q: q.kind in ("count", "style"))
    found = {f.title: f for f in MEASURES["compositional"](count=4)(given)}
    assert list(found) == [f"asked for and shown: {kind}" for kind in (*KINDS, "all of these")]
    value = {title.partition(": ")[2]: f.value.value for title, f in found.items()}
    assert value == {kind: float(kind in ("count", "style")) for kind in KINDS} | {"all of these": pytest.approx(1 / 3)}
    assert {f.beside.value for f in found.values()} == {0.75} and {f.better for f in found.values()} == {"higher"}
    assert found["asked for and shown: count"].note == "the things alone in 1"
    assert found["asked for and shown: colour"].note == "the things alone in 0"
    assert calls == [("compositional", [ASKED[4 * kind + k].prompt for k in range(4) for kind in range(len(KINDS))])]
    assert found["asked for and shown: all of these"].value.count == 24


def test_the_things_alone_are_told_beside_all_that_was_asked_for(monkeypatch) -> None:
    first = next(q for q in ASKED if q.kind == "colour")
    saying = Saying([NOTHING | dict(first.wanted) | {"colour": "?"}] * 99)
    monkeypatch.setattr(module, "opened", lambda _: Exam("tiny", saying, (Answered(first, True, True),) * 2))
    figure = next(MEASURES["compositional"](count=2)(case(lambda _: True)[0]))
    assert figure.value.value == 0 and figure.note == "the things alone in 1"


def test_fewer_are_the_first_ones_and_real_ones_the_same() -> None:
    given, calls = case(lambda _: True)
    found = list(MEASURES["compositional"](count=2)(given))
    assert [len(prompts) for _, prompts in calls] == [12]
    list(MEASURES["compositional"](count=4)(given))
    assert calls[0][1] == calls[1][1][:12]
    assert [f.value.value for f in found] == [1] * 7 and {f.beside.value for f in found} == {0.5}
    assert found[0].found == {"prompts": [[q.prompt, True] for q in ASKED[:2]]}


def test_a_witness_with_fewer_questions_says_so() -> None:
    given, calls = case(lambda _: True)
    found = list(MEASURES["compositional"](count=9)(given))
    assert len(calls[0][1]) == 24
    assert ["only 4 such questions" in f.note for f in found] == [True] * 6 + [False]


def test_without_a_model_there_is_nothing_to_ask() -> None:
    assert Case(train=pictures(noise(4))).has == {"data"} < case(lambda _: True)[0].has
    with pytest.raises(Refused, match="'compositional' needs drawing"):
        chosen(["compositional"], frozenset({"data", "pictures"}))
    with pytest.raises(Refused, match="1 pictures"):
        MEASURES["compositional"](count=1)


def test_without_a_witness_nothing_is_drawn(monkeypatch) -> None:
    monkeypatch.undo()
    given, calls = case(lambda _: True)
    with pytest.raises(Refused, match="no witness"):
        list(MEASURES["compositional"](witness="none_such")(given))
    assert calls == []
