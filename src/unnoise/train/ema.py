"""Averages of the weights along a training, by power functions whose width can be chosen afterwards.

Karras et al. 2024 (EDM2), section 3: with gamma from the relative width, the average at step n is
theta_n = (1 - (1 - 1/n)^(gamma + 1)) weights + (1 - 1/n)^(gamma + 1) theta_(n-1), which weighs step s by (s / n)^gamma.
Stored averages of two widths at several steps span the averages of other widths (eq. 3 and appendix B).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor


def exponent(width: float) -> float:
    """gamma for a relative width (standard deviation over length): the root of eq. 126, 0 < width < 0.28."""
    roots = np.roots([1, 7, 16 - width**-2, 12 - width**-2])
    return float(roots.real.max())


class Average:
    """A running average of named tensors, float32.

    Args:
        tensors: what is averaged, as it stands now.
        width: the relative width; 0.1 averages about the last tenth, whatever the length.
    """

    def __init__(self, tensors: Mapping[str, Tensor], width: float) -> None:
        self.width, self.gamma, self.step = width, exponent(width), 0
        self.values = {name: tensor.detach().float().clone() for name, tensor in tensors.items()}

    @torch.no_grad()
    def update(self, tensors: Mapping[str, Tensor]) -> None:
        """Take in the weights after one more step."""
        self.step += 1
        new = 1 - (1 - 1 / self.step) ** (self.gamma + 1)
        mine = list(self.values.values())
        theirs = [tensors[name].detach().float() for name in self.values]
        torch._foreach_lerp_(mine, theirs, new)  # pyright: ignore[reportPrivateUsage]  # torch's own name for it


def combination(steps: Sequence[int], widths: Sequence[float], target: int, width: float) -> list[float]:
    """What to multiply stored averages with, to get the average of another width at step `target`.

    Args:
        steps, widths: of each stored average.
        target, width: of the average wanted.
    Returns:
        One factor for each stored average (EDM2, appendix B, algorithm 3).
    """
    gammas = [exponent(w) for w in widths]
    goal = exponent(width)
    gram = [[_overlap(a, g, b, h) for b, h in zip(steps, gammas, strict=True)] for a, g in zip(steps, gammas, strict=True)]
    right = [_overlap(a, g, target, goal) for a, g in zip(steps, gammas, strict=True)]
    return np.linalg.lstsq(np.array(gram), np.array(right), rcond=None)[0].tolist()


def _overlap(a: int, g: float, b: int, h: float) -> float:
    """The inner product of two profiles (s / a)^g on [0, a] and (s / b)^h on [0, b], each of unit integral."""
    low = min(a, b)
    log = (g + h + 1) * np.log(low) - g * np.log(a) - h * np.log(b)
    return float(np.exp(log) * (g + 1) * (h + 1) / ((g + h + 1) * a * b))
