"""What a network is asked for, as one line: data = skip * x + out * F(scale * x, time).

The training target is the same line solved for F, so every prediction samples and trains through the same code.

    epsilon   the noise                                    Ho et al. 2020
    data      the data itself (x0)                         Ho et al. 2020; Li and He 2025
    v         alpha * noise - sigma * data                 Salimans and Ho 2022
    flow      noise - data                                 Liu et al. 2023, Lipman et al. 2023
    edm       unit-variance input and target               Karras et al. 2022, table 1
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.core.level import Level


class Affine(NamedTuple):
    """The three coefficients at one level."""

    skip: Tensor
    out: Tensor
    scale: Tensor

    def data(self, x: Tensor, output: Tensor) -> Tensor:
        """The data guess behind this output."""
        return self.skip * x + self.out * output

    def target(self, x: Tensor, data: Tensor) -> Tensor:
        """The output that would have given this data: what an objective regresses on."""
        return (data - self.skip * x) / self.out


class Prediction(Protocol):
    def __call__(self, level: Level, /) -> Affine: ...


@dataclass(frozen=True)
class Epsilon:
    """The noise. Says nothing of the data at alpha = 0, and is refused there."""

    def __call__(self, level: Level) -> Affine:
        a, s = level.alpha, level.sigma
        if a.ndim == 0 and float(a) == 0:
            raise Refused(
                "a network that predicts noise cannot start where there is no data in x (alpha = 0)",
                "use a model with v-prediction, or a spacing that starts below it, such as 'leading'",
                "spacing",
            )
        return Affine(1 / a, -s / a, torch.ones_like(a))


@dataclass(frozen=True)
class Data:
    """The data itself."""

    def __call__(self, level: Level) -> Affine:
        a = level.alpha
        return Affine(torch.zeros_like(a), torch.ones_like(a), torch.ones_like(a))


@dataclass(frozen=True)
class V:
    """v = alpha * noise - sigma * data, written for any path: data = (alpha * x - sigma * v) / (alpha² + sigma²)."""

    def __call__(self, level: Level) -> Affine:
        a, s = level.alpha, level.sigma
        norm = a**2 + s**2
        return Affine(a / norm, -s / norm, torch.ones_like(a))


@dataclass(frozen=True)
class Flow:
    """u = noise - data, written for any path: data = (x - sigma * u) / (alpha + sigma)."""

    def __call__(self, level: Level) -> Affine:
        a, s = level.alpha, level.sigma
        return Affine(1 / (a + s), -s / (a + s), torch.ones_like(a))


@dataclass(frozen=True)
class EDM:
    """Unit variance in and out at every level, and the skip that errs least (Karras et al. 2022, appendix B.6).

    Args:
        sigma_data: the data's standard deviation.
    """

    sigma_data: float = 0.5

    def __call__(self, level: Level) -> Affine:
        a, s, d = level.alpha, level.sigma, self.sigma_data
        variance = (a * d) ** 2 + s**2
        return Affine(a * d**2 / variance, s * d / variance.sqrt(), variance.rsqrt())


PREDICTIONS: Mapping[str, type[Prediction]] = {"epsilon": Epsilon, "data": Data, "v": V, "flow": Flow, "edm": EDM}
