"""Whether a picture is taken for what it should be: its words are looked for among those of other things.

Each thing is told by the best fitting of its names, so that a man running and a woman running, which are one thing,
are no wrong answers to one another. An astronaut and a rocket, which are held out together, are two. A picture's place
is how many things fit it at least as well as the right one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.data.emoji.points import JOINER, PEOPLE, concept, found
from unnoise.data.pictures import Pictures
from unnoise.evaluate.bootstrap import ROUNDS, Estimate, averaged
from unnoise.evaluate.draw import order
from unnoise.evaluate.judge import Judge


@dataclass(frozen=True, eq=False)
class Known:
    """The things that a picture may be taken for.

    Args:
        names: all of their names.
        things: which thing each is a name of, by number.
        numbers: concept -> the thing's number.
    """

    names: tuple[str, ...]
    things: Tensor
    numbers: Mapping[str, int]


def concepts(pictures: Pictures) -> list[str]:
    """What each picture shows: emoji by their code points, whoever shows it; others by their names."""
    return [_concept(tags) or name for tags, name in zip(pictures.tags, called(pictures), strict=True)]


def called(pictures: Pictures) -> list[str]:
    """Each picture's name; the first caption where it has none."""
    told = zip(pictures.captions, pictures.tags, strict=True)
    return [tags.get("name") or next(iter(captions), "") for captions, tags in told]


def phrases(pictures: Pictures) -> list[str]:
    """What each picture's first caption adds to its name, ", fluent 3d emoji": its style."""
    told = zip(called(pictures), pictures.captions, strict=True)
    return [captions[0][len(name) :] if captions and captions[0].startswith(name) else "" for name, captions in told]


def known(pictures: Pictures, most: int = 0, seed: int = 0) -> Known:
    """The things that a set shows.

    Args:
        most: how many of them at most, by the order in which pictures are asked for; 0 for all.
        seed: of that order.
    """
    all_of, names = concepts(pictures), called(pictures)
    turns = order(len(pictures), seed) if most else range(len(pictures))
    kept = list(dict.fromkeys(all_of[k] for k in turns))[: most or None]
    numbers = {each: number for number, each in enumerate(kept)}
    words = dict.fromkeys((name, numbers[each]) for name, each in zip(names, all_of, strict=True) if each in numbers)
    return Known(tuple(name for name, _ in words), torch.tensor([number for _, number in words]), numbers)


def places(judge: Judge, pictures: Tensor, right: Tensor, among: Known, phrase: Sequence[str] = ()) -> Tensor:
    """How many other things fit each picture at least as well as the right one, (N,).

    Args:
        pictures: uint8 (N, C, H, W).
        right: the number of the right thing (N,).
        phrase: what is added to the names for each picture; nothing by default.
    """
    seen, added = judge.pictures(pictures), list(phrase) or [""] * len(pictures)
    found = torch.empty(len(pictures), dtype=torch.long)
    for each in dict.fromkeys(added):
        rows = torch.tensor([k for k, its in enumerate(added) if its == each])
        scores = seen[rows] @ judge.words([name + each for name in among.names]).T
        found[rows] = place(scores, right[rows], among.things)
    return found


def place(scores: Tensor, right: Tensor, things: Tensor) -> Tensor:
    """The place of the right thing (N,), from 0, by scores (N, M) of names, each of which belongs to a thing (M,).

    Raises:
        Refused: a score is infinite or no number.
    """
    if not bool(scores.isfinite().all()):
        raise Refused("the judge's scores are no finite numbers", "take another judge, or one that is whole", "judge")
    best = torch.full((len(scores), int(things.max()) + 1), -torch.inf)
    best = best.scatter_reduce(1, things.expand(len(scores), -1), scores.float(), "amax")
    return (best >= best.gather(1, right[:, None])).sum(1) - 1


def found_within(places: Tensor, top: int, things: Sequence[str], rounds: int = ROUNDS, seed: int = 0) -> Estimate:
    """The share of pictures whose place is below `top`; what is resampled are things.

    Args:
        places: of each picture (N,).
        things: what each shows.
    """
    return averaged((places < top).double(), rounds, seed, things)


def _concept(tags: Mapping[str, str]) -> str:
    points = found(tags["codepoints"]) if tags.get("codepoints") else None
    if not points:
        return ""
    person = "person " if points[0] in PEOPLE and JOINER in points else ""
    return person + concept(points)
