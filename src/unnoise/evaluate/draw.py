"""Which real pictures a model is asked to draw: as many that it was trained on as that it never saw, in a fixed order.

The order follows from the seed alone, and the first n of it are those of any larger number, so that an evaluation can
be made longer without anything being made again.
"""

from dataclasses import dataclass

import torch

from unnoise.core.error import Refused
from unnoise.data.pictures import Pictures


@dataclass(frozen=True)
class Drawn:
    """A real picture, and the words that ask for another like it.

    Args:
        prompt: the words.
        split: "train" or "heldout".
        index: its number there.
    """

    prompt: str
    split: str
    index: int


def draw(train: Pictures, heldout: Pictures | None, count: int, seed: int = 0, full: bool = False) -> list[Drawn]:
    """The first `count` of the pictures to be drawn, trained ones and held-out ones in turn until the latter end.

    Args:
        full: ask by the full caption; else by the name alone where there is one.

    Raises:
        Refused: so many would leave less than half of the training pictures to compare with.
    """
    seen = order(len(train), seed)
    unseen = order(len(heldout), seed + 1) if heldout else []
    turns = (pair for k in range(len(seen)) for pair in (("heldout", k), ("train", k)))
    wanted = [(split, k) for split, k in turns if split == "train" or k < len(unseen)][:count]
    most = len(train) // 2
    if len(wanted) < count or sum(split == "train" for split, _ in wanted) > most:
        what = f"{count} pictures are too many to ask for, with {len(train)} training pictures to compare with"
        raise Refused(what, f"at most {max(1, most + min(most, len(unseen)))}, or more data", "count")
    trained, other = words(train, full), words(heldout, full) if heldout else []
    numbers = [(split, (seen if split == "train" else unseen)[k]) for split, k in wanted]
    return [Drawn((trained if split == "train" else other)[k], split, k) for split, k in numbers]


def order(count: int, seed: int) -> list[int]:
    """The numbers below `count`, shuffled by the seed, which starts again from 0 at 2**64."""
    return torch.randperm(count, generator=torch.Generator("cpu").manual_seed(seed % 2**64)).tolist()


def styled(pictures: Pictures) -> bool:
    """Whether pictures come in several styles, which names alone cannot tell apart."""
    return len({tags.get("style", "") for tags in pictures.tags}) > 1


def words(pictures: Pictures, full: bool = False) -> list[str]:
    """What asks for each picture: its full caption, or its name where there is one."""
    named = zip(pictures.captions, pictures.tags, strict=True)
    return [
        captions[0] if captions and (full or not tags.get("name")) else tags.get("name", "") for captions, tags in named
    ]
