"""Batches without end, each a function of the seed and the step alone.

Every epoch is a permutation keyed by (seed, epoch), and the epochs in a row are one long order. Step k takes the k-th
`size` of it, whatever ran before and on however many machines: a run that resumes at k sees what a straight run sees.
"""

import hashlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from random import Random

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.data.captions import Choose, any_of, sided
from unnoise.data.pictures import Gallery


@dataclass(frozen=True)
class Batch:
    """What one step trains on.

    Args:
        images: uint8 (B, C, S, S).
        captions: one a picture.
        indices: each picture's number in its set, to look up what is kept of it.
        flipped: bool (B,), on the CPU: which pictures are mirrored left to right.
    """

    images: Tensor
    captions: list[str]
    indices: list[int]
    flipped: Tensor

    def only(self, places: Tensor) -> "Batch":
        """The pictures at these places, in their order."""
        numbers: list[int] = places.tolist()
        return Batch(
            self.images[places.to(self.images.device)],
            [self.captions[k] for k in numbers],
            [self.indices[k] for k in numbers],
            self.flipped[places],
        )


@dataclass(frozen=True, kw_only=True)
class Order:
    """Which pictures a step takes.

    Args:
        size: pictures a step, over all ranks together.
        seed: any whole number.
        rank, world: this process among so many; the ranks' batches put together are the batch of one process.
        chosen: these of its places alone, in this order; none for all of them.

    Raises:
        Refused: the size is not positive or not a multiple of `world`, or there is no such rank.
    """

    size: int
    seed: int
    rank: int = 0
    world: int = 1
    chosen: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 1:
            raise Refused(f"a batch of {self.size} pictures", "take at least 1", "batch")
        if not 0 <= self.rank < self.world:
            raise Refused(f"there is no rank {self.rank} among {self.world}", "ranks count from 0", "rank")
        if self.size % self.world:
            raise Refused(
                f"a batch of {self.size} cannot be shared by {self.world} processes",
                f"take {self.size + self.world - self.size % self.world}",
                "batch",
            )

    @property
    def places(self) -> Sequence[int]:
        """This rank's places in the whole batch."""
        if self.chosen:
            return self.chosen
        share = self.size // self.world
        return range(self.rank * share, (self.rank + 1) * share)

    def indices(self, total: int, step: int) -> list[int]:
        """The numbers, below `total`, of this rank's pictures at a step."""
        turns = (divmod(step * self.size + place, total) for place in self.places)
        return [int(_permutation(total, self.seed, epoch)[turn]) for epoch, turn in turns]

    def key(self, step: int, place: int, purpose: str) -> int:
        """A number from 0 to 2**64 - 1 for a random choice about one picture of a step's whole batch."""
        return _key(self.seed, step, place, purpose)


def batches(
    pictures: Gallery, order: Order, start: int = 0, captions: Choose = any_of, flip: float = 0.0
) -> Generator[Batch, None, None]:
    """Endless batches from step `start` on.

    Args:
        pictures: `Pictures`, or a `Stream`, whose workers end when the iterator is closed.
        captions: which caption a picture gets.
        flip: how likely a picture is mirrored, 0 to 1; one whose words tell left from right never is.
    """
    if not 0 <= flip <= 1:
        raise Refused(f"flip {flip} is no probability", "write 0 to 1", "flip")
    return _batches(pictures, order, start, captions, flip)


def _batches(
    pictures: Gallery, order: Order, start: int, captions: Choose, flip: float
) -> Generator[Batch, None, None]:
    texts, tags = pictures.captions, pictures.tags
    wanted = (order.indices(len(pictures), step) for step in count(start))
    with closing(pictures.gather(wanted)) as gathered:
        for step, (indices, images) in zip(count(start), gathered, strict=False):
            draws = (Random(order.key(step, place, "caption")) for place in order.places)
            chosen = [captions(texts[i], tags[i], draw) for i, draw in zip(indices, draws, strict=True)]
            drawn = [order.key(step, place, "flip") < flip * 2**64 for place in order.places]
            may = [yes and not _sided(texts[i], tags[i]) for i, yes in zip(indices, drawn, strict=True)]
            flipped = torch.tensor(may)
            yield Batch(_mirrored(images, flipped), chosen, indices, flipped)


def _sided(captions: Sequence[str], tags: Mapping[str, str]) -> bool:
    return any(map(sided, (*captions, tags.get("name", ""), tags.get("keywords", ""))))


def _mirrored(images: Tensor, flipped: Tensor) -> Tensor:
    if not flipped.any():
        return images
    return torch.where(flipped.to(images.device)[:, None, None, None], images.flip(-1), images)


@lru_cache(maxsize=4)
def _permutation(total: int, seed: int, epoch: int) -> Tensor:
    generator = torch.Generator("cpu").manual_seed(_key(seed, epoch, "epoch"))
    return torch.randperm(total, generator=generator)


def _key(*parts: int | str) -> int:
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
