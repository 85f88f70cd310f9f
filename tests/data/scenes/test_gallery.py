"""Scenes are pictures to train on: any order, any process, any start gives the same ones."""

import pickle
from dataclasses import replace
from functools import partial
from itertools import islice
from random import Random

import pytest
import torch

from unnoise.core.error import Refused
from unnoise.data.batches import Order, batches
from unnoise.data.captions import Variants, any_of
from unnoise.data.pictures import Gallery
from unnoise.data.scenes import gallery as module
from unnoise.data.scenes.draw import held_out
from unnoise.data.scenes.gallery import Each, Scenes
from unnoise.data.scenes.scene import Mix
from unnoise.data.scenes.sprites import Shelf, cut
from unnoise.data.workers import ordered


@pytest.fixture(scope="module")
def scenes(shelf: Shelf) -> Scenes:
    return Scenes(shelf=shelf, size=24, count=500, seed=3)


def test_it_is_a_gallery(scenes: Scenes) -> None:
    gallery: Gallery = scenes
    assert len(gallery) == len(gallery.captions) == len(gallery.tags) == 500
    ((indices, images),) = gallery.gather([[4, 499, 4]])
    assert indices == [4, 499, 4]
    assert images.shape == (3, 3, 24, 24) and images.dtype == torch.uint8
    assert torch.equal(images[0], images[2]) and torch.equal(images[1], scenes.picture(499))


def test_it_tells_whose_things_are_missing(scenes: Scenes) -> None:
    assert len(scenes.broken) == 2 and scenes.broken == cut(scenes.shelf).broken


def test_a_picture_depends_on_nothing_but_seed_and_number(scenes: Scenes) -> None:
    again = Scenes(shelf=scenes.shelf, size=24, count=900, seed=3)
    for k in (499, 0, 77):
        assert torch.equal(again.picture(k), scenes.picture(k))
        assert (again.captions[k], again.tags[k]) == (scenes.captions[k], scenes.tags[k])
    other = replace(scenes, seed=4)
    assert sum(torch.equal(other.picture(k), scenes.picture(k)) for k in range(20)) < 3


def test_processes_change_nothing(scenes: Scenes, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [[k, k + 1] for k in range(0, 12, 2)]
    here = [images for _, images in scenes.gather(wanted)]
    monkeypatch.setattr(module, "ordered", partial(ordered, patience=0))
    there = [images for _, images in replace(scenes, workers=1).gather(wanted)]
    assert all(map(torch.equal, here, there))


def test_a_job_is_small(scenes: Scenes) -> None:
    scenes.picture(0)
    data = pickle.dumps(scenes)
    assert len(data) < 1500
    copy = pickle.loads(data)
    assert copy == scenes
    assert torch.equal(copy.picture(9), scenes.picture(9))


def test_a_resumed_run_sees_what_a_straight_one_does(scenes: Scenes) -> None:
    order = Order(size=4, seed=0)
    straight = list(islice(batches(scenes, order, captions=any_of), 6))
    resumed = list(islice(batches(scenes, order, start=4, captions=any_of), 2))
    for one, other in zip(straight[4:], resumed, strict=True):
        assert torch.equal(one.images, other.images)
        assert (one.captions, one.indices) == (other.captions, other.indices)
    assert all(
        caption in scenes.captions[k] for b in straight for caption, k in zip(b.captions, b.indices, strict=True)
    )
    # A scene has no "name" of its own, so that the captions of the emoji recipe leave it its own words.
    assert Variants()(scenes.captions[7], scenes.tags[7], Random(0)) in scenes.captions[7]


def test_tags_say_what_is_there(scenes: Scenes) -> None:
    for k in range(300):
        scene, tags = scenes.scene(k), scenes.tags[k]
        assert set(tags) == {
            *("kind", "things", "counts", "colours", "sizes", "relation", "place", "background", "style")
        }
        assert all(isinstance(value, str) for value in tags.values())
        nouns, counts = tags["things"].split("; "), tags["counts"].split("; ")
        assert nouns == [thing.noun for thing in scene.things]
        assert [int(count) for count in counts] == [len(thing.boxes) for thing in scene.things]
        assert tags["colours"].split("; ") == [thing.colour for thing in scene.things]
        assert tags["sizes"].split("; ") == [thing.size for thing in scene.things]
        assert tags["relation"] == {"across": "left of", "down": "above", "": ""}[scene.axis]
        assert tags["background"].split("; ") == list(scene.background.names)


def test_unseen_combinations_are_a_gallery_of_their_own(scenes: Scenes) -> None:
    unseen = replace(scenes, combinations="unseen", count=20)
    natural = cut(scenes.shelf).natural
    for tags in unseen.tags:
        nouns, colours = tags["things"].split("; "), tags["colours"].split("; ")
        coloured = [f"{c} {n}" for c, n in zip(colours, nouns, strict=True) if (n, c) not in natural]
        pairs = [" & ".join(sorted((a, b))) for i, a in enumerate(nouns) for b in nouns[i + 1 :]]
        assert any(map(held_out, coloured + pairs))


def test_each_is_made_when_asked_for() -> None:
    made: list[int] = []
    each = Each(10**12, lambda k: made.append(k) or k * k)
    assert (each[3], each[-1]) == (9, (10**12 - 1) ** 2)
    assert each[2:8:2] == (4, 16, 36)
    assert list(islice(each, 2)) == [0, 1]
    assert made == [3, 10**12 - 1, 2, 4, 6, 0, 1]
    with pytest.raises(IndexError, match="none is number"):
        each[10**12]


def test_what_cannot_be_is_refused(shelf: Shelf, tmp_path) -> None:
    with pytest.raises(Refused, match="0 scenes: take at least 1"):
        Scenes(shelf=shelf, count=0)
    with pytest.raises(Refused, match="scenes of 2 pixels"):
        Scenes(shelf=shelf, size=2).picture(0)
    with pytest.raises(Refused, match="there is no"):
        Scenes(shelf=Shelf(tmp_path / "none")).picture(0)
    only = Mix(alone=0, placed=0, counted=0, pair=0, row=0)
    with pytest.raises(Refused, match="nothing is to be drawn"):
        Scenes(shelf=shelf, mix=only).picture(0)
