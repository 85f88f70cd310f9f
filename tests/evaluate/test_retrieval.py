"""A picture's place is how many other things fit it at least as well; names of one concept are one thing."""

import pytest
import torch

from evaluate.judges import knowing
from unnoise.core.error import Refused
from unnoise.data.pictures import Pictures
from unnoise.evaluate.retrieval import Known, called, concepts, found_within, known, phrases, place, places

RUNNERS = ("1f3c3-200d-2642-fe0f", "1f3c3-200d-2640-fe0f", "1f34e")


def told(*tags, captions=()):
    """Pictures whose first pixel is their number."""
    images = torch.arange(len(tags))[:, None, None, None].expand(-1, 3, 2, 2).byte()
    captions = captions or tuple((f"{t['name']}, flat emoji",) if "name" in t else () for t in tags)
    return Pictures(images, tuple(map(str, range(len(tags)))), captions, tags)


def named(*names):
    return told(*({"name": name} for name in names))


def test_a_place_counts_things_not_names() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.8, 0.2], [0.1, 0.2, 0.3, 0.4]])
    assert place(scores, torch.tensor([1, 1]), torch.tensor([0, 0, 0, 1])).tolist() == [1, 0]
    assert place(scores, torch.tensor([0, 0]), torch.tensor([0, 0, 0, 1])).tolist() == [0, 1]
    assert place(scores, torch.tensor([3, 3]), torch.arange(4)).tolist() == [2, 0]


def test_whoever_fits_all_alike_is_last() -> None:
    assert place(torch.zeros(2, 5), torch.tensor([0, 4]), torch.arange(5)).tolist() == [4, 4]


def test_scores_that_are_no_numbers_place_nothing() -> None:
    with pytest.raises(Refused, match="no finite numbers"):
        place(torch.tensor([[0.1, float("nan")]]), torch.tensor([0]), torch.arange(2))


def test_who_has_a_thing_is_not_the_thing() -> None:
    points = ("1f468-200d-1f680", "1f469-200d-1f680", "1f680", "1f9d1-200d-1f384", "1f384", "1f468")
    pilot, other, rocket, claus, tree, man = concepts(told(*({"name": p, "codepoints": p} for p in points)))
    assert pilot == other and len({pilot, rocket, claus, tree, man}) == 5


def test_a_man_and_a_woman_running_are_one_concept() -> None:
    tags = [
        {"name": n, "codepoints": p} for n, p in zip(("man running", "woman running", "apple"), RUNNERS, strict=True)
    ]
    pictures = told(*tags, {"name": "apple", "codepoints": "none"}, {})
    shown = concepts(pictures)
    assert shown[0] == shown[1] != shown[2] and shown[3:] == ["apple", ""]
    among = known(told(*tags))
    assert among.names == ("man running", "woman running", "apple") and among.things.tolist() == [0, 0, 1]


def test_names_come_before_captions_and_styles_after_names() -> None:
    pictures = told(
        {"name": "cat"}, {}, {"name": "dog"}, {}, captions=(("cat, noto emoji", "a cat"), ("x", "y"), ("hound",), ())
    )
    assert called(pictures) == ["cat", "x", "dog", ""]
    assert phrases(pictures) == [", noto emoji", "", "", ""]


def test_a_part_of_the_things_is_the_same_whenever_it_is_drawn() -> None:
    pictures = named(*(f"thing {k % 30}" for k in range(90)))
    few, more, other = known(pictures, 10), known(pictures, 20), known(pictures, 10, seed=1)
    assert len(few.numbers) == 10 and set(few.numbers) <= set(more.numbers) != set(other.numbers)
    assert few.numbers != other.numbers and few.names == known(pictures, 10).names
    assert len(known(pictures).numbers) == 30 == len(known(pictures, 100).numbers)


def test_who_knows_finds_and_who_is_asked_for_another_does_not() -> None:
    pictures, words = named("cat", "dog", "cup"), ("cat", "dog", "cup")
    among = Known(words, torch.arange(3), {})
    judge = knowing(words)
    assert places(judge, pictures.images, torch.tensor([0, 1, 2]), among).tolist() == [0, 0, 0]
    assert places(judge, pictures.images, torch.tensor([1, 1, 2]), among).tolist() == [2, 0, 0]


def test_what_is_added_to_the_names_is_added_for_its_pictures(monkeypatch) -> None:
    judge, asked = knowing(("cat", "dog")), []
    read = judge.words
    monkeypatch.setattr(type(judge), "words", lambda _, words: (asked.append(list(words)), read(words))[1])
    pictures = named("cat", "dog", "dog")
    among = Known(("cat", "dog"), torch.arange(2), {})
    found = places(judge, pictures.images.clamp(max=1), torch.tensor([0, 1, 1]), among, [", a", ", b", ", a"])
    assert asked == [["cat, a", "dog, a"], ["cat, b", "dog, b"]] and found.tolist() == [0, 0, 0]


def test_pictures_of_one_thing_are_found_or_missed_together() -> None:
    ranks = torch.tensor([0] * 20 + [7] * 20)
    alone = found_within(ranks, 1, [str(k) for k in range(40)])
    together = found_within(ranks, 1, [str(k // 10) for k in range(40)])
    assert alone.value == together.value == 0.5 and alone.count == together.count == 40
    assert alone.high - alone.low < 0.35 < 0.8 < together.high - together.low
    assert found_within(ranks, 8, ["x"] * 40).value == 1


def test_more_pictures_of_a_thing_count_more() -> None:
    assert found_within(torch.tensor([0, 0, 0, 9]), 5, ["a", "a", "a", "b"]).value == pytest.approx(0.75)
