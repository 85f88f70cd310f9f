"""Are made pictures like real ones, and are real ones all covered? Four figures of neighbourhoods of features.

A set's manifold is the balls around its pictures that reach to their k-th neighbour. Precision is the share of made
pictures within the real manifold, recall that of real ones within the made one (Kynkäänniemi et al. 2019, eq. 1 and 2).
Density counts in how many real balls a made picture lies, over k, and coverage the share of real balls that hold a made
one (Naeem et al. 2020, eq. 3 and 4); these need no ball around a made picture, so an outlier there cannot swell them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.evaluate.bootstrap import ROUNDS, Estimate, averaged
from unnoise.evaluate.distances import blocks, radii

K = 3
"""The neighbour that a ball reaches to in the first paper; the second takes 5."""


@dataclass(frozen=True)
class Neighbours:
    """What each picture contributes.

    Args:
        inside: whether each made picture (N,) is within the real manifold.
        density: how many real balls hold each made picture, over k.
        reached: whether each real picture (M,) is within the made manifold.
        covered: whether each real ball holds a made picture.
    """

    inside: Tensor
    density: Tensor
    reached: Tensor
    covered: Tensor


def neighbours(made: Tensor, real: Tensor, k: int = K) -> Neighbours:
    """Look at features (N, D) and (M, D).

    Raises:
        Refused: a set has no k-th neighbour.
    """
    if min(len(made), len(real)) <= k:
        what = f"precision and recall look at the {k} nearest of each picture"
        raise Refused(what, f"give more than {k} pictures in each set", "count")
    around_made, around_real = radii(made, k), radii(real, k)
    inside, density = torch.zeros(len(made), dtype=torch.bool), torch.zeros(len(made), dtype=torch.float64)
    reached, covered = torch.zeros(len(real), dtype=torch.bool), torch.zeros(len(real), dtype=torch.bool)
    for part, apart in blocks(made, real):
        within = apart <= around_real[None]
        inside[part], density[part] = within.any(1), within.sum(1).double() / k
        covered |= within.any(0)
        reached |= (apart <= around_made[part, None]).any(0)
    return Neighbours(inside, density, reached, covered)


def precision_recall(
    made: Tensor, real: Tensor, k: int = K, rounds: int = ROUNDS, seed: int = 0
) -> dict[str, Estimate]:
    """`precision`, `recall`, `density` and `coverage` of features (N, D) against (M, D), each with its interval.

    The balls stay as they are; an interval tells how the share would move had other pictures been counted.
    """
    found = neighbours(made, real, k)
    values = {
        "precision": found.inside,
        "recall": found.reached,
        "density": found.density,
        "coverage": found.covered,
    }
    return {name: averaged(value, rounds, seed) for name, value in values.items()}
