"""Does a model repeat what it was trained on? How near each made picture is to training, beside pictures never seen.

A picture nearer to its nearest training picture than nearly all held-out ones are to theirs is called a copy (in the
manner of Carlini et al. 2023, section 5, who compare with the distances among pictures), and so is one that looks the
same as it. Held-out pictures that look the same as one trained on were not held out, and do not count. Pictures are
looked at as they are and mirrored, since training mirrors them. `look` is the plainest way of seeing: 16 x 16 pixels,
so that a shift of outline by a pixel or a rounding of colour counts little and another shape, colour or thing much.
"""

from collections.abc import Sequence
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.evaluate.bootstrap import ROUNDS, Estimate, bootstrap, mean, quantile
from unnoise.evaluate.distances import Near, nearest

SIDE = 16
RARE = 0.05
"""The part of held-out pictures that are as near to training as a copy."""
TOGETHER = 256
"""Pictures that are shrunk at once."""
ALIKE = 3.0
"""How far two pictures may differ and still be called the same: the root mean square of 16 x 16 pixels, in 1/255."""


def look(pictures: Tensor) -> Tensor:
    """uint8 pictures (N, C, H, W) as (N, C * 256) float32, whose distances are root mean squares in steps of 1/255."""
    parts = (F.interpolate(some.float(), (SIDE, SIDE), mode="area").flatten(1) for some in pictures.split(TOGETHER))
    small = torch.cat(list(parts))
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


def copies(near: Tensor, unseen: Tensor, alike: float, rounds: int = ROUNDS, seed: int = 0) -> Estimate:
    """The share of distances (N,) that at most `RARE` of those of pictures never seen (M,) are as small as.

    Of pictures like those never seen it is `expected`, of a training set's own it is 1.

    Args:
        unseen: without pictures that are the same as one trained on, which `near` finds.
        alike: within it two pictures are the same.
    """

    def share(weights: Sequence[Tensor]) -> float:
        return mean(near <= max(quantile(unseen, weights[1], RARE), alike), weights[0])

    return bootstrap(share, (len(near), len(unseen)), rounds, seed)


def expected(unseen: int) -> float:
    """The share of copies among pictures that are like so many unseen ones: about `RARE`, more beside few (0.09 beside
    21)."""
    return ceil(RARE * unseen) / (unseen + 1)


def leaving(indices: list[int], total: int) -> Tensor:
    """`leave` for these of `total` pictures, (N,), -1 where one is none of them."""
    return torch.tensor([k if 0 <= k < total else -1 for k in indices])
