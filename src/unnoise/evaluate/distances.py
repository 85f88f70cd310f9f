"""Distances between features, a block of rows at a time: thousands of pictures against thousands, in flat memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

ROWS = 1024


@dataclass(frozen=True)
class Near:
    """The nearest of others to each of N: how far, and its number; `mirrored` where its mirror image is nearer."""

    distance: Tensor
    index: Tensor
    mirrored: Tensor


def blocks(first: Tensor, second: Tensor, rows: int = ROWS) -> Iterator[tuple[slice, Tensor]]:
    """Euclidean distances (R, M), float64, of features (N, D) to (M, D), with the rows they are of."""
    others = second.double()
    for begin in range(0, len(first), rows):
        part = slice(begin, min(begin + rows, len(first)))
        yield part, torch.cdist(first[part].double(), others)


def radii(features: Tensor, k: int) -> Tensor:
    """How far the k-th nearest other one is from each, (N,): infinity where there are not so many."""
    found = torch.full((len(features),), torch.inf, dtype=torch.float64)
    if k >= len(features):
        return found
    for part, apart in blocks(features, features):
        # cdist leaves a picture a little off itself; it must not count among its own neighbours
        apart[torch.arange(len(apart)), torch.arange(part.start, part.stop)] = -1
        found[part] = apart.kthvalue(k + 1, 1).values
    return found


def nearest(features: Tensor, others: Tensor, mirrored: Tensor | None = None, leave: Tensor | None = None) -> Near:
    """The nearest of `others` (M, D) to each of `features` (N, D).

    Args:
        mirrored: the features (N, D) of the same pictures mirrored, which may lie nearer.
        leave: the number (N,) among the others of each picture itself, which does not count; -1 for none.
    """
    plain = _nearest(features, others, leave)
    if mirrored is None:
        return Near(*plain, torch.zeros(len(features), dtype=torch.bool))
    turned = _nearest(mirrored, others, leave)
    better = turned[0] < plain[0]
    return Near(torch.where(better, turned[0], plain[0]), torch.where(better, turned[1], plain[1]), better)


def _nearest(features: Tensor, others: Tensor, leave: Tensor | None) -> tuple[Tensor, Tensor]:
    values, numbers = list[Tensor](), list[Tensor]()
    for part, apart in blocks(features, others):
        if leave is not None:
            own = leave[part]
            rows = torch.arange(len(apart))[own >= 0]
            apart[rows, own[own >= 0]] = torch.inf
        found = apart.min(1)
        values.append(found.values)
        numbers.append(found.indices)
    return torch.cat(values), torch.cat(numbers)
