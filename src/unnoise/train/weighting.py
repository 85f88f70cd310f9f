"""How much an error at each level counts, as a factor on the squared error of the *data* guess.

Writing weights for the data makes them the same for every prediction: the network's own output is off by the data's
error over `out`, so the plain mean square of the output is the weight 1 / out².
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from unnoise.core.level import Level
from unnoise.core.prediction import Affine


class Weighting(Protocol):
    """Level and the prediction's coefficients -> the weight of the data's squared error, of the level's shape."""

    def __call__(self, level: Level, affine: Affine, /) -> Tensor: ...


@dataclass(frozen=True)
class Plain:
    """The mean square error of the network's own output (Ho et al. 2020's simple loss for epsilon; EDM's for EDM)."""

    def __call__(self, level: Level, affine: Affine) -> Tensor:
        return affine.out**-2


@dataclass(frozen=True)
class MinSNR:
    """min(SNR, gamma) (Hang et al. 2023, eq. 8)."""

    gamma: float = 5.0

    def __call__(self, level: Level, affine: Affine) -> Tensor:
        return (level.alpha / level.sigma).square().clamp(max=self.gamma)


@dataclass(frozen=True)
class Sigmoid:
    """sigmoid(bias - log SNR) times the noise's error (Kingma and Gao 2023, section 4.3).

    In the data's error that is exp(bias) sigmoid(log SNR - bias).
    """

    bias: float = 0.0

    def __call__(self, level: Level, affine: Affine) -> Tensor:
        return (level.log_snr - self.bias).sigmoid() * 2.718281828459045**self.bias


@dataclass(frozen=True)
class EDMWeighting:
    """(sigma² + sigma_data²) / (sigma sigma_data)², sigma being sigma / alpha (Karras et al. 2022, table 1)."""

    sigma_data: float = 0.5

    def __call__(self, level: Level, affine: Affine) -> Tensor:
        ratio = level.ratio
        return (ratio**2 + self.sigma_data**2) / (ratio * self.sigma_data) ** 2


@dataclass(frozen=True)
class Velocity:
    """The mean square error of the flow, ((alpha + sigma) / sigma)², with sigma kept from the clean end.

    With data prediction this is the x-prediction, v-loss of Li and He 2025.

    Args:
        floor: the least sigma that is divided by.
    """

    floor: float = 0.05

    def __call__(self, level: Level, affine: Affine) -> Tensor:
        return ((level.alpha + level.sigma) / level.sigma.clamp(min=self.floor)).square()
