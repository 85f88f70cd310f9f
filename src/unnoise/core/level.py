"""A level is one point of the noising path, x = alpha * data + sigma * noise.

Variance-preserving paths (Ho et al. 2020), variance-exploding ones (Karras et al. 2022) and straight ones (Liu et al.
2023, Lipman et al. 2023) differ only in the pairs (alpha, sigma) they visit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Level:
    """How much data and how much noise.

    Shared by a batch, each field is a 0-dim float64 tensor on the CPU: arithmetic with it neither moves a device nor
    changes a dtype. One a sample (or one a frame), each is float32 on the sample's device with as many axes as the
    sample, so that nothing broadcasts by accident.

    Args:
        t: the schedule's time, 0 (clean) to 1 (noisiest).
        alpha: the weight of the data.
        sigma: the weight of the noise, of unit variance.
    """

    t: Tensor
    alpha: Tensor
    sigma: Tensor

    @cached_property
    def log_snr(self) -> Tensor:
        """log(alpha² / sigma²); infinite at the clean end, minus infinite at alpha = 0."""
        return 2 * (self.alpha / self.sigma).log()

    @cached_property
    def ratio(self) -> Tensor:
        """sigma / alpha, the sigma of variance-exploding coordinates."""
        return self.sigma / self.alpha

    @property
    def clean(self) -> bool:
        """Whether a shared level holds no noise at all."""
        return float(self.sigma) == 0.0

    def mix(self, data: Tensor, noise: Tensor) -> Tensor:
        """The noisy sample x of this data and this noise."""
        return self.alpha * data + self.sigma * noise

    def noise_in(self, x: Tensor, data: Tensor) -> Tensor:
        """The noise that x holds if this is its data; not defined at the clean level."""
        return (x - self.alpha * data) / self.sigma


def scalar(value: float) -> Tensor:
    """A number as shared levels hold it: 0-dim, float64, on the CPU."""
    import torch  # here, so that samplers and spacings can be named and described without it

    return torch.tensor(value, dtype=torch.float64)


def shared(t: float, alpha: float, sigma: float) -> Level:
    """A level of plain numbers, for a whole batch."""
    return Level(scalar(t), scalar(alpha), scalar(sigma))


def quieter(level: Level, than: Level) -> bool:
    """Whether a shared level holds less noise than another, by more than rounding could make it."""
    return float(level.ratio) < float(than.ratio) * (1 - 1e-9)


def half_log_snr(level: Level) -> float:
    """log(alpha / sigma) as a number: the lambda of DPM-Solver (Lu et al. 2022)."""
    alpha, sigma = float(level.alpha), float(level.sigma)
    if sigma == 0:
        return math.inf
    return -math.inf if alpha == 0 else math.log(alpha) - math.log(sigma)
