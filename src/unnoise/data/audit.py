"""A look at a set before hours are spent on it: what is broken, missing, double or too small."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, islice

from unnoise.core.error import Refused
from unnoise.data.pictures import TOGETHER
from unnoise.data.source import Item, Source, items, layers
from unnoise.data.workers import ordered


@dataclass(frozen=True)
class Report:
    """What an audit found.

    Args:
        count: pictures in the set, broken ones too.
        broken: what is wrong with each that cannot be decoded, or whose alpha cannot be or has another size.
        captionless: names of pictures without a caption.
        duplicates: names of pictures whose pixels are the same, a group each.
        sizes: how many pictures there are of each (width, height).
        words: how many captions there are of each length in words.
    """

    count: int
    broken: tuple[str, ...]
    captionless: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]
    sizes: Mapping[tuple[int, int], int]
    words: Mapping[int, int]

    def smaller_than(self, size: int) -> int:
        """How many pictures would have to be enlarged to this side."""
        return sum(count for sides, count in self.sizes.items() if min(sides) < size)

    def lines(self) -> list[str]:
        """The report for people, one fact a line."""
        again = sum(len(group) - 1 for group in self.duplicates)
        found = [f"{self.count} pictures"]
        found += [f"{width}x{height}: {count}" for (width, height), count in list(self.sizes.items())[:5]]
        if self.words:
            found.append(f"captions of {min(self.words)} to {max(self.words)} words")
        for what, names, number in (
            ("broken", self.broken, len(self.broken)),
            ("without a caption", self.captionless, len(self.captionless)),
            ("exact duplicates", tuple(" = ".join(group) for group in self.duplicates), again),
        ):
            if names:
                found.append(f"{number} {what}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}")
        return found


def audit(source: Source, workers: int = 2) -> Report:
    """Decode every picture of a set once, with its alpha, and report.

    Args:
        workers: processes at most; a set that takes seconds is looked at without any.
    """
    known = tuple(items(source))
    broken: list[str] = []
    sizes: Counter[tuple[int, int]] = Counter()
    same: defaultdict[str, list[str]] = defaultdict(list)
    coming = iter(known)
    done = ordered(_look_all, iter(lambda: tuple(islice(coming, TOGETHER)), ()), workers)
    for item, seen in zip(known, chain.from_iterable(results for _, results in done), strict=True):
        if isinstance(seen, str):
            broken.append(seen)
        else:
            sizes[seen[:2]] += 1
            same[seen[2]].append(item.name)
    return Report(
        count=len(known),
        broken=tuple(broken),
        captionless=tuple(item.name for item in known if not item.captions),
        duplicates=tuple(tuple(names) for names in same.values() if len(names) > 1),
        sizes=dict(sizes.most_common()),
        words=dict(sorted(Counter(len(text.split()) for item in known for text in item.captions).items())),
    )


def _look_all(some: tuple[Item, ...]) -> list[tuple[int, int, str] | str]:
    return list(map(_look, some))


def _look(item: Item) -> tuple[int, int, str] | str:
    """Width, height and sha256 of shape and pixels; or what is wrong."""
    try:
        picture, _ = layers(item)
    except Refused as error:
        return str(error)
    except OSError as error:
        return f"{item.name}: {error}"
    channels, height, width = picture.shape
    digest = hashlib.sha256(f"{channels}x{height}x{width}:".encode() + picture.contiguous().numpy().tobytes())
    return width, height, digest.hexdigest()
