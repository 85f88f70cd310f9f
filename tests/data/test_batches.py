"""A batch is a function of the seed and the step: whoever asks, from where, and on how many machines."""

from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.data.batches import Order, batches
from unnoise.data.captions import any_of, first
from unnoise.data.pictures import Pictures, load, stream
from unnoise.data.source import open_source

totals, sizes, seeds = st.integers(1, 50), st.integers(1, 20), st.integers(-(2**70), 2**70)


def _pictures(total: int) -> Pictures:
    images = torch.arange(total, dtype=torch.uint8)[:, None, None, None] + torch.tensor([0, 100], dtype=torch.uint8)
    names = tuple(map(str, range(total)))
    return Pictures(images, names, tuple((f"a no{n}", f"b no{n}", f"c no{n}") for n in names), ({},) * total)


@given(totals, sizes, seeds, st.integers(0, 30))
def test_starting_late_is_going_straight(total: int, size: int, seed: int, start: int) -> None:
    pictures, order = _pictures(total), Order(size=size, seed=seed)
    straight = list(islice(batches(pictures, order, flip=0.5), start + 2))[start:]
    late = list(islice(batches(pictures, order, start, flip=0.5), 2))
    for one, other in zip(straight, late, strict=True):
        assert one.indices == other.indices
        assert one.captions == other.captions
        assert torch.equal(one.flipped, other.flipped)
        assert torch.equal(one.images, other.images)


@given(totals, sizes, seeds, st.integers(0, 5))
def test_an_epoch_is_every_picture_once(total: int, size: int, seed: int, epoch: int) -> None:
    order = Order(size=size, seed=seed)
    steps = range(epoch * total * size // size, (epoch + 1) * total)
    seen = Counter(index for step in steps for index in order.indices(total, step))
    assert set(seen.values()) == {size}
    in_a_row = [index for step in range(-(-3 * total // size)) for index in order.indices(total, step)]
    for k in range(3):
        assert sorted(in_a_row[k * total : (k + 1) * total]) == list(range(total))


@given(totals, st.integers(1, 5), st.integers(1, 4), seeds, st.integers(0, 100))
def test_ranks_share_one_order(total: int, share: int, world: int, seed: int, step: int) -> None:
    pictures, size = _pictures(total), share * world
    whole = next(batches(pictures, Order(size=size, seed=seed), step, flip=0.5))
    orders = [Order(size=size, seed=seed, rank=rank, world=world) for rank in range(world)]
    parts = [next(batches(pictures, order, step, flip=0.5)) for order in orders]
    assert [i for part in parts for i in part.indices] == whole.indices
    assert [c for part in parts for c in part.captions] == whole.captions
    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)


def test_epochs_and_seeds_differ() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return Order(size=30, seed=seed).indices(30, epoch)

    assert len({tuple(order(seed, epoch)) for seed in range(4) for epoch in range(4)}) == 16


def test_captions_and_flips_vary_by_draw_and_are_told_apart() -> None:
    pictures = _pictures(20)
    found = list(islice(batches(pictures, Order(size=20, seed=0), flip=0.25), 100))
    letters = Counter(caption[0] for batch in found for caption in batch.captions)
    assert all(abs(letters[letter] / 2000 - 1 / 3) < 0.05 for letter in "abc")
    share = torch.cat([batch.flipped for batch in found]).float().mean()
    assert abs(float(share) - 0.25) < 0.03
    unflipped = next(batches(pictures, Order(size=20, seed=0)))
    assert unflipped.captions == found[0].captions
    assert not unflipped.flipped.any()


@pytest.mark.parametrize("tags", [{"name": "left arrow"}, {"keywords": "lower, left"}])
def test_what_tells_left_from_right_is_not_mirrored(tags) -> None:
    pictures = replace(_pictures(9), tags=(tags, *({},) * 8))
    found = list(islice(batches(pictures, Order(size=9, seed=2), flip=1.0), 3))
    assert all(b.flipped.tolist() == [k != 0 for k in b.indices] for b in found)


def test_a_part_of_a_batch_keeps_what_belongs_together() -> None:
    (batch,) = islice(batches(_pictures(9), Order(size=6, seed=1), flip=0.5), 1)
    some = batch.only(torch.tensor([4, 0, 4]))
    for new, old in enumerate((4, 0, 4)):
        assert torch.equal(some.images[new], batch.images[old])
        assert some.captions[new] == batch.captions[old]
        assert some.indices[new] == batch.indices[old]
        assert some.flipped[new] == batch.flipped[old]


def test_captions_belong_to_their_pictures_and_flips_mirror() -> None:
    for batch in islice(batches(_pictures(9), Order(size=6, seed=3), captions=any_of, flip=0.5), 10):
        for k, index in enumerate(batch.indices):
            assert batch.captions[k].endswith(f" no{index}")
            expected = [index, index + 100]
            assert batch.images[k, 0, 0].tolist() == (expected[::-1] if batch.flipped[k] else expected)


def test_what_tells_left_from_right_is_never_mirrored() -> None:
    images = torch.zeros(4, 1, 1, 2, dtype=torch.uint8)
    captions = (("a dog",), ("a cup left of a plate", "a cup"), (), ("a dial",))
    told = Pictures(images, tuple("abcd"), captions, ({}, {}, {}, {"name": "three o'clock"}))
    for batch in islice(batches(told, Order(size=4, seed=0), flip=1.0), 5):
        assert batch.flipped.tolist() == [index in (0, 2) for index in batch.indices]


def test_a_caption_may_depend_on_its_tags() -> None:
    def tag(captions: tuple[str, ...], tags: dict[str, str], draw: Random) -> str:
        return tags.get("none", "no tag")

    assert set(next(batches(_pictures(3), Order(size=3, seed=0), captions=tag)).captions) == {"no tag"}


def test_a_stream_gives_the_batches_of_a_loaded_set(shared: Path) -> None:
    source = open_source(shared / "data" / "emoji128", "heldout")
    order = Order(size=8, seed=5)
    loaded = batches(load(source, 16, 0), order, 3, first, 0.5)
    streamed = batches(stream(source, 16, 0), order, 3, first, 0.5)
    for one, other in islice(zip(loaded, streamed, strict=False), 4):
        assert one.captions == other.captions
        assert torch.equal(one.images, other.images)


def test_a_replaced_picture_brings_its_own_caption(folder: Path) -> None:
    streamed = stream(open_source(folder), 4, 0)
    for batch in islice(batches(streamed, Order(size=7, seed=1), captions=first), 3):
        assert not {2, 5} & set(batch.indices)
        assert [int(c.split()[1]) * 30 for c in batch.captions] == batch.images[:, 0, 0, 0].tolist()


@settings(max_examples=20)
@given(st.integers(2, 9), st.integers(1, 30))
def test_a_batch_that_cannot_be_shared_is_refused_with_one_that_can(world: int, size: int) -> None:
    if size % world == 0:
        size += 1
    with pytest.raises(Refused, match="cannot be shared") as refusal:
        Order(size=size, seed=0, world=world)
    assert int(refusal.value.remedy.split()[-1]) % world == 0


def test_nonsense_is_refused() -> None:
    with pytest.raises(Refused, match="at least 1"):
        Order(size=0, seed=0)
    with pytest.raises(Refused, match="no rank 2"):
        Order(size=4, seed=0, rank=2, world=2)
    with pytest.raises(Refused, match="no probability"):
        batches(_pictures(1), Order(size=1, seed=0), flip=1.5)
