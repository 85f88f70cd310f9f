"""A case keeps apart what was asked for, what is left to compare with, and what was never seen."""

import torch

from evaluate.sets import noise, pictures
from unnoise.evaluate.case import Case
from unnoise.evaluate.draw import draw
from unnoise.evaluate.features import opened

TRAIN, HELDOUT = pictures(noise(20)), pictures(noise(5, 1), word="other")


def case(count=8, **changes):
    drawn = draw(TRAIN, HELDOUT, count)
    given = {
        "train": TRAIN,
        "heldout": HELDOUT,
        "drawn": drawn,
        "made": noise(count, 7),
        "features": (opened("pixels"),),
    }
    return Case(**{**given, **changes})


def test_real_pictures_are_those_asked_for() -> None:
    found = case()
    for picture, drawn in zip(found.real, found.drawn, strict=True):
        assert torch.equal(picture, (HELDOUT if drawn.split == "heldout" else TRAIN).images[drawn.index])


def test_the_rest_of_training_was_not_asked_for() -> None:
    found = case()
    asked = {d.index for d in found.drawn if d.split == "train"}
    assert set(found.rest.tolist()) == set(range(20)) - asked and len(asked) == 4
    assert sorted(k for k in found.own.tolist() if k >= 0) == sorted(asked)


def test_a_view_sees_all_of_it() -> None:
    found = case()
    (view,) = found.views
    sees = found.features[0]
    assert torch.equal(view.made, sees(found.made)) and torch.equal(view.mirrored, sees(found.made.flip(-1)))
    assert torch.equal(view.real, sees(found.real)) and torch.equal(view.rest, sees(TRAIN.images[found.rest]))
    assert torch.equal(view.heldout, sees(HELDOUT.images)) and found.views[0] is view


def test_real_pictures_are_called_what_they_are() -> None:
    assert case().against == "real pictures of the same prompts"
    assert case(same=False).against == "real pictures drawn by the seed"


def test_what_is_there_is_told() -> None:
    assert case().has == {"data", "pictures", "features"}
    assert Case(train=TRAIN).has == {"data"}
    alone = Case(train=TRAIN)
    assert len(alone.rest) == 20 and len(alone.real) == len(alone.pictures) == 0
