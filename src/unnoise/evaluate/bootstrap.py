"""How far a figure would move had other pictures been drawn: the percentile bootstrap (Efron and Tibshirani 1993).

A resample of n pictures, drawn with replacement, is told by how often each was drawn. A measure is a function of such
weights, and so can leave out what a resample alone brings about: a picture that equals itself because it came twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unnoise.core.error import Refused

ROUNDS = 200

Statistic = Callable[[Sequence[Tensor]], float]
"""Weights of each set of pictures, float64 that sum to its size -> a figure; all ones are the pictures as they are."""


@dataclass(frozen=True)
class Estimate:
    """A figure and the interval that holds 95 of 100 of its resamples.

    Args:
        value: of the pictures as they are.
        low, high: the interval's ends; None where there is nothing to resample.
        count: how many pictures it is of.
    """

    value: float
    low: float | None = None
    high: float | None = None
    count: int = 0


def bootstrap(
    statistic: Statistic, sizes: Sequence[int], rounds: int = ROUNDS, seed: int = 0, centred: bool = False
) -> Estimate:
    """A figure with its interval.

    Args:
        statistic: the figure, of a tensor of weights for each set.
        sizes: how many pictures each set has; the first is what the figure is of.
        rounds: resamples.
        seed: of which pictures they draw.
        centred: move the interval so that its median is the figure. For figures that rise with every repeated picture,
            such as a distance between covariances: the interval then tells their spread, not that they rose.

    Raises:
        Refused: a set is empty, or there are fewer than two rounds.
    """
    if min(sizes) < 1 or rounds < 2:
        raise Refused(
            "an interval needs pictures, and resamples of them", "give at least 1 picture, 2 rounds", "rounds"
        )
    random = torch.Generator("cpu").manual_seed(seed)
    value = statistic([torch.ones(size, dtype=torch.float64) for size in sizes])
    found = [statistic([resample(size, random) for size in sizes]) for _ in range(rounds)]
    drawn = torch.tensor(found, dtype=torch.float64)
    low, middle, high = (float(q) for q in drawn.quantile(torch.tensor([0.025, 0.5, 0.975], dtype=torch.float64)))
    shift = value - middle if centred else 0.0
    return Estimate(value, low + shift, high + shift, sizes[0])


def averaged(values: Tensor, rounds: int = ROUNDS, seed: int = 0, things: Sequence[str] = ()) -> Estimate:
    """The mean of one value a picture (N,), with its interval.

    Args:
        things: what each picture shows. What is resampled then are things, each with all its pictures: where pictures
            of one thing go well or badly together, resampling pictures would make the interval too narrow.
    """
    of = grouped(things) if things else torch.arange(len(values))
    sizes = (int(of.max()) + 1 if len(of) else 0,)
    return replace(bootstrap(lambda w: mean(values, w[0][of]), sizes, rounds, seed), count=len(values))


def grouped(things: Sequence[str]) -> Tensor:
    """A number for each picture (N,), the same for those of one thing."""
    numbers = {thing: k for k, thing in enumerate(dict.fromkeys(things))}
    return torch.tensor([numbers[thing] for thing in things], dtype=torch.long)


def resample(size: int, random: torch.Generator) -> Tensor:
    """How often each of `size` pictures is drawn in as many draws, float64."""
    return torch.bincount(torch.randint(size, (size,), generator=random), minlength=size).double()


def mean(values: Tensor, weights: Tensor) -> float:
    """The weighted mean of one value a picture."""
    return float((values.double() * weights).sum() / weights.sum())


def quantile(values: Tensor, weights: Tensor, part: float) -> float:
    """The smallest value that has at least this part of the weight at or below it."""
    ranked, order = values.double().sort()
    reached = weights[order].cumsum(0)
    place = int((reached < part * float(reached[-1]) - 1e-9).sum())
    return float(ranked[min(place, len(ranked) - 1)])
