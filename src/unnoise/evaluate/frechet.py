"""The Fréchet distance between two sets of features, each taken for a normal distribution (Heusel et al. 2017, eq. 6).

    d² = |m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^(1/2))

With S1 = F' F and S2 = G' G, the eigenvalues of S1 S2 are, besides zeros, those of the symmetric F G' G F', and so the
trace of its root is the sum of the singular values of F G'. F and G are the centred features, or their triangle (QR)
where there are more pictures than features: no covariance is ever laid out. The distance told is d²; it is too large
for few pictures, by an amount that only the same number of real ones can tell.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.evaluate.bootstrap import ROUNDS, Estimate, bootstrap


@dataclass(frozen=True)
class Moments:
    """The mean (D,) of features, and a `factor` (K, D) of their covariance factor' factor; float64."""

    mean: Tensor
    factor: Tensor


def moments(features: Tensor, weights: Tensor | None = None) -> Moments:
    """The moments of features (N, D), each counted as often as its weight says.

    Raises:
        Refused: there are fewer than two pictures, which have no covariance.
    """
    if len(features) < 2:
        raise Refused("a Fréchet distance needs at least 2 pictures in each set", "give more pictures", "count")
    x = features.double()
    w = torch.ones(len(x), dtype=torch.float64) if weights is None else weights
    mean = (w @ x) / w.sum()
    rows = (w / (w.sum() - 1)).sqrt()[:, None] * (x - mean)
    factor = torch.linalg.qr(rows, mode="r").R if len(rows) > rows.shape[1] else rows
    return Moments(mean, factor)


def distance(first: Moments, second: Moments) -> float:
    """The distance between two normal distributions."""
    root = torch.linalg.svdvals(first.factor @ second.factor.T).sum()
    apart = (first.mean - second.mean).square().sum()
    return float(apart + first.factor.square().sum() + second.factor.square().sum() - 2 * root)


def frechet(made: Tensor, real: Tensor, rounds: int = ROUNDS, seed: int = 0) -> Estimate:
    """The distance between two sets of features (N, D) and (M, D), with its interval.

    A repeated picture lowers the rank of a covariance, so every resample lies further off; the interval is centred.
    """
    return bootstrap(
        lambda w: distance(moments(made, w[0]), moments(real, w[1])),
        (len(made), len(real)),
        rounds,
        seed,
        centred=True,
    )
