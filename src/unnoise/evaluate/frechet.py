"""The Fréchet distance between two sets of features, each taken for a normal distribution (Heusel et al. 2017, eq. 6).

    d² = |m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^(1/2))

With S1 = F' F, the product S1 S2 has the eigenvalues of the symmetric F S2 F', besides zeros; the trace of its root is
the sum of their roots. F is the centred features, or their triangle (QR) where there are more pictures than features.
The distance is d²; it is too large for few pictures, by an amount that only the same number of real ones can tell.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.evaluate.bootstrap import ROUNDS, Estimate, bootstrap


@dataclass(frozen=True)
class Moments:
    """Mean (D,) and covariance (D, D) of features, and `factor` (K, D) with factor' factor = covariance; float64."""

    mean: Tensor
    covariance: Tensor
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
    return Moments(mean, rows.T @ rows, factor)


def distance(first: Moments, second: Moments) -> float:
    """The distance between two normal distributions."""
    product = first.factor @ second.covariance @ first.factor.T
    root = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    apart = (first.mean - second.mean).square().sum()
    return float(apart + first.covariance.trace() + second.covariance.trace() - 2 * root)


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
