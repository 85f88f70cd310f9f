"""Retrieval tells whether made pictures are taken for what was asked for, beside real pictures of the same words."""

from dataclasses import replace

import pytest
import torch

from evaluate.judges import knowing, written
from evaluate.sets import noise, pictures
from unnoise.core.error import Refused
from unnoise.evaluate import judge as module
from unnoise.evaluate.case import Case
from unnoise.evaluate.draw import Drawn, draw
from unnoise.evaluate.measures import MEASURES, chosen


def numbered(count, word, begin=0):
    images = torch.arange(begin, begin + count)[:, None, None, None].repeat(1, 3, 4, 4).byte()
    return pictures(images, word=word)


TRAIN, HELDOUT = numbered(60, "thing"), numbered(20, "other", 60)
WORDS = [f"thing {k}" for k in range(60)] + [f"other {k}" for k in range(20)]


@pytest.fixture(autouse=True)
def judge(monkeypatch):
    monkeypatch.setattr(module, "opened", lambda _: knowing(WORDS))


def figures(case, **options):
    return {f.title: f for f in MEASURES["retrieval"](**options)(case)}


def asked(change=lambda made: made, **changes):
    drawn = draw(TRAIN, HELDOUT, 30)
    images = torch.stack([(TRAIN if d.split == "train" else HELDOUT).images[d.index] for d in drawn])
    return Case(train=TRAIN, heldout=HELDOUT, drawn=drawn, made=change(images), rounds=20, **changes)


TOP = "retrieval, top-{} of {}"


def test_data_alone_are_the_real_pictures() -> None:
    found = figures(Case(train=TRAIN, heldout=HELDOUT, rounds=20), concepts=10)
    assert list(found) == [TOP.format(k, n) for n in ("20 held-out concepts", "10 trained concepts") for k in (1, 5)]
    assert [f.value.value for f in found.values()] == [1] * 4 and [f.value.count for f in found.values()] == [
        20
    ] * 2 + [10] * 2
    assert all(f.beside is None and f.better == "higher" for f in found.values())
    assert "trained on" in found[TOP.format(1, "10 trained concepts")].note
    assert not found[TOP.format(1, "20 held-out concepts")].note


def test_made_pictures_stand_beside_real_ones_of_the_same_words() -> None:
    wrong = figures(asked(lambda made: torch.where(torch.arange(30)[:, None, None, None] < 15, made, 60)), concepts=60)
    figure = wrong[TOP.format(1, "20 held-out concepts")]
    rows = [k for k, d in enumerate(asked().drawn) if d.split == "heldout"]
    right = sum(k < 15 or asked().drawn[k].index == 0 for k in rows) / len(rows)
    assert figure.value.value == pytest.approx(right) and figure.beside.value == 1
    assert figure.value.count == figure.beside.count == len(rows)
    assert figure.found["pictures"] == [f"other-{asked().drawn[k].index}" for k in rows]
    good = figures(asked(), concepts=60)
    assert [f.value.value for f in good.values()] == [1] * 4


def test_only_pictures_of_the_listed_concepts_count() -> None:
    few, case = figures(asked(), concepts=10), asked()
    trained = few.get(TOP.format(1, "10 trained concepts"))
    assert trained is not None and trained.value.count < sum(d.split == "train" for d in case.drawn)


def test_pictures_that_were_asked_for_by_other_words_do_not_count() -> None:
    case = asked()
    other = [Drawn("something else", d.split, d.index) for d in case.drawn]
    assert figures(replace(case, drawn=other)) == {}
    by_name = [Drawn(f"{'thing' if d.split == 'train' else 'other'} {d.index}", d.split, d.index) for d in case.drawn]
    assert figures(replace(case, drawn=by_name)).keys() == figures(case).keys() != set()


def test_the_style_may_be_given_with_the_names(monkeypatch) -> None:
    heard = []

    class Listening(type(knowing(WORDS))):
        def words(self, asked):
            heard.extend(asked)
            return super().words(asked)

    made = knowing(WORDS)
    monkeypatch.setattr(module, "opened", lambda _: Listening(made.name, made.eye, made.text))
    found = figures(asked(), style=True)
    assert all(title.endswith(", style given") for title in found) and all(w.endswith(", flat style") for w in heard)
    assert [f.value.value for f in found.values()] == [1] * 4


def test_without_a_judge_it_is_refused_by_name(monkeypatch, tmp_path) -> None:
    monkeypatch.undo()
    case = Case(train=TRAIN, heldout=HELDOUT, rounds=2)
    with pytest.raises(Refused, match="no judge: there is no eye 'none_such'"):
        figures(case, judge="none_such")
    file = written(tmp_path / "mine.safetensors")
    found = figures(Case(train=pictures(noise(9)), rounds=2), judge=str(file))
    assert list(found) == [TOP.format(k, "9 trained concepts") for k in (1, 5)]
    assert {f.of for f in found.values()} == {"mine"}


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(Refused, match="1 concepts are nothing"):
        MEASURES["retrieval"](concepts=1)
    assert any(type(m).__name__ == "Retrieval" for m in chosen((), frozenset({"data"})))
