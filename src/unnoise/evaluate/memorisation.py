"""Does a model repeat what it was trained on? How near each made picture is to training, beside pictures never seen.

A picture nearer to its nearest training picture than nearly all held-out ones are to theirs is called a copy (in the
manner of Carlini et al. 2023, section 5, who compare with the distances among pictures). Pictures are looked at as they
are and mirrored, since training mirrors them. `look` is the plainest way of seeing: 16 x 16 pixels, so that a shift of
outline by a pixel or a rounding of colour counts little and another shape, colour or thing much.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.evaluate.bootstrap import ROUNDS, Estimate, bootstrap, mean, quantile
from unnoise.evaluate.distances import Near, nearest

SIDE = 16
RARE = 0.05
"""The part of held-out pictures that are as near to training as a copy."""


def look(pictures: Tensor) -> Tensor:
    """uint8 pictures (N, C, H, W) as (N, C * 256) float32, whose distances are root mean squares in steps of 1/255."""
    small = F.interpolate(pictures.float(), (SIDE, SIDE), mode="area").flatten(1)
    return small / small.shape[1] ** 0.5


def near(pictures: Tensor, training: Tensor, leave: Tensor | None = None) -> Near:
    """The training picture that looks most like each picture, or its mirror image.

    Args:
        pictures, training: uint8 (N, C, H, W) and (M, C, H, W), of any two sizes.
        leave: each picture's own number in training, which does not count; -1 for none.
    """
    return nearest(look(pictures), look(training), look(pictures.flip(-1)), leave)


def typical(near: Tensor, rounds: int = ROUNDS, seed: int = 0) -> Estimate:
    """The median of distances (N,)."""
    return bootstrap(lambda w: quantile(near, w[0], 0.5), (len(near),), rounds, seed)


def copies(near: Tensor, unseen: Tensor, rounds: int = ROUNDS, seed: int = 0) -> Estimate:
    """The share of distances (N,) below which only `RARE` of those of pictures never seen (M,) lie.

    Of pictures like those never seen it is `RARE`, of a training set's own it is 1.
    """

    def share(weights: Sequence[Tensor]) -> float:
        return mean(near < quantile(unseen, weights[1], RARE), weights[0])

    return bootstrap(share, (len(near), len(unseen)), rounds, seed)


def leaving(indices: list[int], total: int) -> Tensor:
    """`leave` for these of `total` pictures, (N,), -1 where one is none of them."""
    return torch.tensor([k if 0 <= k < total else -1 for k in indices])
