"""Retrieval: which things there are, and the place of the right one among them."""

import pytest
import torch

from unnoise.data.pictures import Pictures
from unnoise.evaluate.draw import order
from unnoise.evaluate.retrieval import called, concepts, known, phrases, place, places

TAGS = (
    {"name": "man running", "codepoints": "1F3C3 200D 2642"},
    {"name": "woman running", "codepoints": "1F3C3 200D 2640"},
    {"name": "red apple", "codepoints": "1F34E"},
    {"name": "red apple", "codepoints": "1F34E"},
    {"name": "no emoji"},
    {},
)
CAPTIONS = (("man running, noto, flat",), (), ("red apple, noto",), ("an apple",), ("no emoji",), ("a caption", "x"))


def pictures():
    images = torch.arange(6)[:, None, None, None].expand(-1, 3, 4, 4).byte()
    return Pictures(images, tuple("abcdef"), CAPTIONS, TAGS)


class Fixed:
    """A judge that knows pictures by their first value, and words by this table."""

    def __init__(self, table, words):
        self.table, self.known, self.asked = table, words, []

    def pictures(self, pictures):
        return self.table[pictures[:, 0, 0, 0].long()]

    def words(self, words):
        self.asked.append(list(words))
        return torch.stack([self.known[word] for word in words])


def test_a_concept_is_one_whoever_shows_it():
    found = concepts(pictures())
    assert found[0] == found[1] != found[2] == found[3]
    assert found[4:] == ["no emoji", "a caption"]
    assert called(pictures())[5] == "a caption"


def test_a_style_is_what_a_caption_adds_to_the_name():
    assert phrases(pictures()) == [", noto, flat", "", ", noto", "", "", ""]


def test_all_names_of_all_things():
    among = known(pictures())
    assert among.names == ("man running", "woman running", "red apple", "no emoji", "a caption")
    assert among.things.tolist() == [0, 0, 1, 2, 3] and len(among.numbers) == 4


def test_a_list_of_some_begins_as_pictures_are_asked_for():
    shown = concepts(pictures())
    for seed in range(5):
        few, more = (known(pictures(), most, seed) for most in (2, 3))
        first = list(dict.fromkeys(shown[k] for k in order(6, seed)))
        assert list(few.numbers) == first[:2] and list(more.numbers) == first[:3]
        assert all(name in more.names for name in few.names)
    assert len({tuple(known(pictures(), 2, seed).numbers) for seed in range(9)}) > 1


def test_a_place_counts_the_things_that_fit_better_and_those_that_fit_as_well():
    things = torch.tensor([0, 0, 1, 2])
    scores = torch.tensor([[0.1, 0.9, 0.5, 0.6], [0.1, 0.2, 0.5, 0.6], [0.5, 0.5, 0.5, 0.5]])
    assert place(scores, torch.tensor([0, 0, 0]), things).tolist() == [0, 2, 2]
    assert place(scores, torch.tensor([1, 1, 1]), things).tolist() == [2, 1, 2]


def test_pictures_are_looked_for_among_names_with_their_own_styles():
    axes = torch.eye(5)
    among = known(pictures())
    words = {name: axes[k] for k, name in enumerate(among.names)}
    judge = Fixed(axes[[0, 1, 2, 2, 3, 3]], words)
    right = torch.tensor([among.numbers[c] for c in concepts(pictures())])
    assert places(judge, pictures().images, right, among).tolist() == [0, 0, 0, 0, 0, 3]
    assert len(judge.asked) == 1
    styled = {name + phrase: vector for phrase in ("", ", noto") for name, vector in words.items()}
    other = Fixed(axes[[0, 1, 2, 2, 3, 3]], styled | {"red apple, noto": axes[0], "man running, noto": axes[2]})
    added = ["", "", ", noto", "", "", ""]
    found = places(other, pictures().images, right, among, added)
    assert found.tolist() == [0, 0, pytest.approx(3), 0, 0, 3]
    assert [asked[0] for asked in other.asked] == ["man running", "man running, noto"]
