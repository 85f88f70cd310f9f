"""Averages of the weights along a training, by power functions whose width can be chosen afterwards.

Karras et al. 2024 (EDM2), section 3: with gamma from the relative width, the average at step n is
theta_n = (1 - b) weights + b theta_(n-1), b = (1 - 1/n)^(gamma + 1). Step s then counts
(s^(gamma+1) - (s-1)^(gamma+1)) / n^(gamma+1): exactly the integral over the step of the profile
(gamma + 1) s^gamma / n^(gamma+1). So profiles are compared as continuous functions, and stored averages of two
widths at several steps nearly span those of other widths.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from unnoise.core.error import Refused

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

WIDEST = 12**-0.5
"""The relative width of the plain mean of all weights, gamma = 0."""


def exponent(width: float) -> float:
    """gamma for a relative width, the profile's standard deviation over its length.

    A profile s^gamma on [0, 1] has the variance (gamma + 1) / ((gamma + 2)² (gamma + 3)); set to width², that is a
    cubic whose largest root is wanted (EDM2, section 3.1 and appendix C).

    Raises:
        Refused: the width is not between 0 and 0.288.
    """
    if not 0 < width < WIDEST:
        raise Refused(f"no average has the relative width {width:g}", f"above 0 and below {WIDEST:.3f}", "width")
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
        torch._foreach_lerp_(mine, theirs, new)  # pyright: ignore[reportPrivateImportUsage, reportPrivateUsage]  # torch's own name for it


def combination(steps: Sequence[int], widths: Sequence[float], target: int, width: float) -> list[float]:
    """What to multiply stored averages with, to get the average of another width at step `target`.

    The combined profile is the nearest one in the least-squares sense (EDM2, section 3.2 and appendix C). Other than
    there, the factors are made to add up to one, so that weights that never moved stay what they are.

    Args:
        steps, widths: of each stored average.
        target, width: of the average wanted.
    Returns:
        One factor for each stored average.
    """
    gram, right = _products(steps, widths, target, width)
    ones = np.ones((len(right), 1))
    bordered = np.block([[gram, ones], [ones.T, np.zeros((1, 1))]])
    return np.linalg.lstsq(bordered, np.append(right, 1.0), rcond=None)[0][:-1].tolist()


def misfit(steps: Sequence[int], widths: Sequence[float], factors: Sequence[float], target: int, width: float) -> float:
    """How far the combined profile is off the wanted one: the norm of the difference over the wanted one's, from 0."""
    gram, right = _products(steps, widths, target, width)
    x, goal = np.array(factors), exponent(width)
    own = _overlap(1.0, goal, 1.0, goal)
    return float(max(0.0, (x @ gram @ x - 2 * x @ right + own) / own) ** 0.5)


def _products(steps: Sequence[int], widths: Sequence[float], target: int, width: float) -> tuple[Array, Array]:
    """The stored profiles' inner products with each other (N, N), and with the wanted one (N,), over its length."""
    known = [(step / target, exponent(w)) for step, w in zip(steps, widths, strict=True)]
    goal = exponent(width)
    gram = [[_overlap(a, g, b, h) for b, h in known] for a, g in known]
    return np.array(gram), np.array([_overlap(a, g, 1.0, goal) for a, g in known])


def _overlap(a: float, g: float, b: float, h: float) -> float:
    """The inner product of the profiles along s^g on [0, a] and s^h on [0, b], each of unit integral."""
    low = min(a, b)
    log = (g + h + 1) * np.log(low) - g * np.log(a) - h * np.log(b)
    return float(np.exp(log) * (g + 1) * (h + 1) / ((g + h + 1) * a * b))
