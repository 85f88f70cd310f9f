"""The kernel distance between two sets of features: the squared maximum mean discrepancy (Bińkowski et al. 2018, KID).

    k(x, y) = (x·y / D + 1)³,    d = mean k(x, x') + mean k(y, y') - 2 mean k(x, y),    x ≠ x', y ≠ y'

It is unbiased: zero on average for two sets of one kind, however few, so that it may fall below zero.
"""

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.evaluate.bootstrap import ROUNDS, Estimate, bootstrap

MOST = 4000
"""Pictures of a set that are looked at, drawn by the seed; a kernel's table grows with their square."""


def similarity(first: Tensor, second: Tensor) -> Tensor:
    """The kernel of every pair of features (N, D) and (M, D), float64 (N, M)."""
    return (first.double() @ second.double().T / first.shape[1] + 1) ** 3


def discrepancy(tables: tuple[Tensor, Tensor, Tensor], a: Tensor, b: Tensor) -> float:
    """The distance out of the kernels within the first set, within the second and between, for weights (N,) and (M,).

    A picture drawn twice is no pair with itself.
    """
    within, across, between = tables
    return float(_pairs(within, a) + _pairs(across, b) - 2 * (a @ between @ b) / (a.sum() * b.sum()))


def kernel(made: Tensor, real: Tensor, rounds: int = ROUNDS, seed: int = 0) -> Estimate:
    """The distance between two sets of features (N, D) and (M, D), with its interval.

    Raises:
        Refused: there are fewer than two pictures in a set, which make no pair.
    """
    if min(len(made), len(real)) < 2:
        raise Refused("a kernel distance needs at least 2 pictures in each set", "give more pictures", "count")
    made, real = _some(made, seed), _some(real, seed)
    tables = (similarity(made, made), similarity(real, real), similarity(made, real))
    return bootstrap(lambda w: discrepancy(tables, w[0], w[1]), (len(made), len(real)), rounds, seed)


def _pairs(table: Tensor, weights: Tensor) -> Tensor:
    """The mean over pairs of two different pictures."""
    squares = weights.square()
    total = weights @ table @ weights - (squares * table.diagonal()).sum()
    return total / (weights.sum() ** 2 - squares.sum()).clamp(min=1)


def _some(features: Tensor, seed: int) -> Tensor:
    if len(features) <= MOST:
        return features
    return features[torch.randperm(len(features), generator=torch.Generator().manual_seed(seed))[:MOST]]
