"""Pictures of a set that look the same though their bytes differ: groups of them, found in seconds among ten thousand.

Two pictures belong together where they look alike by `memorisation.look`, and so do all that are linked by such pairs.
Pairs are sought in float32 a block of rows at a time, as squared lengths and products: off by some 0.01 of a square
that counts up to 9.
"""

from collections.abc import Iterator

from torch import Tensor

from unnoise.evaluate.memorisation import ALIKE, look

ROWS = 2048


def pairs(pictures: Tensor, others: Tensor, alike: float = ALIKE) -> Iterator[tuple[int, int]]:
    """Numbers (i, j) of pictures (N, C, H, W) and others (M, C, H, W) that look the same."""
    first, second = look(pictures), look(others)
    lengths = second.square().sum(1)
    for begin in range(0, len(first), ROWS):
        part = first[begin : begin + ROWS]
        apart = part.square().sum(1)[:, None] + lengths - 2 * part @ second.T
        for i, j in (apart < alike**2).nonzero().tolist():
            yield begin + i, j


def duplicates(pictures: Tensor, alike: float = ALIKE) -> list[list[int]]:
    """Groups of pictures (N, C, H, W) that look the same, by number, the largest first."""
    leader = list(range(len(pictures)))

    def root(k: int) -> int:
        while leader[k] != k:
            leader[k] = leader[leader[k]]
            k = leader[k]
        return k

    for i, j in pairs(pictures, pictures, alike):
        if i < j:
            leader[max(root(i), root(j))] = min(root(i), root(j))
    groups = dict[int, list[int]]()
    for k in range(len(pictures)):
        groups.setdefault(root(k), []).append(k)
    return sorted((g for g in groups.values() if len(g) > 1), key=lambda g: (-len(g), g))


def leaks(heldout: Tensor, training: Tensor, alike: float = ALIKE) -> dict[int, int]:
    """Held-out pictures that look like one trained on, mirrored or not, each with the first such one, by number."""
    found = dict[int, int]()
    for each in (heldout, heldout.flip(-1)):
        for i, j in pairs(each, training, alike):
            found.setdefault(i, j)
    return found
