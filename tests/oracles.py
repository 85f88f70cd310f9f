"""Denoisers that are exact: E[data | x] for data whose distribution is known, on any path x = alpha data + sigma noise.

They hold at alpha = 0 (the prior mean) and at sigma = 0 (x / alpha), so a sampler's error is its own. For data of
one dimension the probability-flow ODE keeps quantiles, so its exact solution is known too: the same quantile at
another level (`moved`).
"""

import math
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

from unnoise.core.level import Level, shared
from unnoise.core.noise import Noise
from unnoise.core.sampler import Sampler
from unnoise.core.schedule import Betas, Cosine, Exploding, Rectified, Schedule
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class Gaussian:
    """Data of independent normal values."""

    mean: float = 0.7
    std: float = 0.3

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        a, s, v = level.alpha, level.sigma, self.std**2
        return (self.mean * s**2 + v * a * x) / (s**2 + a**2 * v)

    def detailed(self, x: Tensor, level: Level, names: tuple[str, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """As a guided denoiser whose branches agree."""
        data = self(x, level)
        return data, dict.fromkeys(names, data)

    def spread(self, level: Level) -> Tensor:
        """The standard deviation of x at a level."""
        return (level.sigma**2 + (level.alpha * self.std) ** 2).sqrt()

    def at(self, level: Level, unit: Tensor) -> Tensor:
        """x at a level, drawn from its exact marginal by unit normal values."""
        return level.alpha * self.mean + self.spread(level) * unit

    def moved(self, x: Tensor, now: Level, to: Level) -> Tensor:
        """Where the exact ODE takes x."""
        return self.at(to, (x - now.alpha * self.mean) / self.spread(now))


@dataclass(frozen=True)
class Mixture:
    """Data of independent values, each from one of several normal distributions."""

    means: tuple[float, ...] = (-1.0, 0.4, 1.1)
    stds: tuple[float, ...] = (0.3, 0.2, 0.45)
    weights: tuple[float, ...] = (0.25, 0.45, 0.3)

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        means, variances, weights = _parts(self, x.dtype)
        a, total = level.alpha, level.alpha**2 * variances + level.sigma**2
        off = x[..., None] - a * means
        share = torch.softmax(weights - total.log() / 2 - off**2 / (2 * total), -1)
        return (share * (means + variances * a * off / total)).sum(-1)

    def detailed(self, x: Tensor, level: Level, names: tuple[str, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """As a guided denoiser whose branches agree."""
        data = self(x, level)
        return data, dict.fromkeys(names, data)

    @property
    def mean(self) -> float:
        return sum(w * m for w, m in zip(self.weights, self.means, strict=True))

    @property
    def variance(self) -> float:
        second = sum(w * (m**2 + s**2) for w, m, s in zip(self.weights, self.means, self.stds, strict=True))
        return second - self.mean**2

    def below(self, x: Tensor, level: Level) -> Tensor:
        """The share of the marginal at a level that lies below x."""
        parts = zip(self.weights, self.means, self.stds, strict=True)
        wide = [(w, level.alpha * m, (level.sigma**2 + (level.alpha * s) ** 2).sqrt()) for w, m, s in parts]
        return torch.stack([w * torch.special.ndtr((x - m) / s) for w, m, s in wide]).sum(0)

    def at(self, level: Level, part: Tensor) -> Tensor:
        """The quantile of the marginal at a level: the x that has `part` of it below, by bisection."""
        reach = 12 * (1 + float(level.sigma))
        low, high = torch.full_like(part, -reach), torch.full_like(part, reach)
        for _ in range(80):
            middle = (low + high) / 2
            under = self.below(middle, level) < part
            low, high = torch.where(under, middle, low), torch.where(under, high, middle)
        return (low + high) / 2

    def moved(self, x: Tensor, now: Level, to: Level) -> Tensor:
        """Where the exact ODE takes x."""
        return self.at(to, self.below(x, now))


@cache
def _parts(mixture: Mixture, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """The means, the variances and the logarithms of the weights."""
    variances = tuple(s**2 for s in mixture.stds)
    means, variances, weights = (torch.tensor(v, dtype=dtype) for v in (mixture.means, variances, mixture.weights))
    return means, variances, weights.log()


@dataclass(frozen=True)
class Plane:
    """Points (..., 2) of a mixture of two normal distributions whose coordinates are correlated."""

    means: tuple[tuple[float, float], ...] = ((-1.0, 0.5), (0.8, -0.3))
    stds: tuple[tuple[float, float], ...] = ((0.4, 0.2), (0.25, 0.5))
    correlations: tuple[float, ...] = (0.8, -0.6)
    weights: tuple[float, ...] = (0.35, 0.65)
    covariances: Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = [
            [[a * a, r * a * b], [r * a * b, b * b]] for (a, b), r in zip(self.stds, self.correlations, strict=True)
        ]
        object.__setattr__(self, "covariances", torch.tensor(made, dtype=torch.float64))

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        means, weights = (torch.tensor(v, dtype=x.dtype) for v in (self.means, self.weights))
        own = self.covariances.to(x.dtype)
        total = level.alpha**2 * own + level.sigma**2 * torch.eye(2, dtype=x.dtype)
        off = x[..., None, :] - level.alpha * means
        solved = torch.linalg.solve(total, off[..., None])[..., 0]
        share = torch.softmax(weights.log() - torch.logdet(total) / 2 - (off * solved).sum(-1) / 2, -1)
        guess = means + level.alpha * (own @ solved[..., None])[..., 0]
        return (share[..., None] * guess).sum(-2)

    def moments(self) -> tuple[Tensor, Tensor]:
        """The mean (2,) and the covariance (2, 2) of the data."""
        means = torch.tensor(self.means, dtype=torch.float64)
        weights = torch.tensor(self.weights, dtype=torch.float64)
        mean = (weights[:, None] * means).sum(0)
        second = self.covariances + means[:, :, None] * means[:, None, :]
        return mean, (weights[:, None, None] * second).sum(0) - torch.outer(mean, mean)


@dataclass(frozen=True)
class Jump:
    """A perfect consistency model: the data that the exact ODE leads to. It is what LCM asks of a network."""

    oracle: Gaussian | Mixture

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        return self.oracle.moved(x, level, shared(0.0, 1.0, 0.0))


def quantiles(count: int, reach: float = 2.0) -> Tensor:
    """`count` unit normal values, evenly spaced from -reach to reach, float64 of shape (1, count)."""
    return torch.linspace(-reach, reach, count, dtype=torch.float64)[None]


def order(coarse: float, fine: float, factor: float = 2.0) -> float:
    """The measured order of a method whose error falls from `coarse` to `fine` as its steps grow `factor` times."""
    return math.log(coarse / fine) / math.log(factor)


SCHEDULES: dict[str, Schedule] = {
    "rectified": Rectified(),
    "cosine": Cosine(),
    "exploding": Exploding(),
    "linear": Betas("linear", 1e-4, 0.02),
    "scaled_linear": Betas(),
    "squared_cosine": Betas("squared_cosine"),
    "zero_terminal_snr": Betas(zero_terminal_snr=True),
    "sigma_between": Betas(between="sigma"),
}


@dataclass
class Impulses:
    """Noise whose every draw, by step and purpose, is a unit vector of its own: a linear run can be read off it."""

    place: dict[tuple[int, str], int] = field(default_factory=dict)

    def __call__(self, x: Tensor, step: int, purpose: str = "step") -> Tensor:
        drawn = torch.zeros_like(x)
        drawn[0, self.place.setdefault((step, purpose), len(self.place) + 1)] = 1.0
        return drawn


def moments_of(
    sampler: Sampler, oracle: Gaussian, trajectory: Trajectory, noise: Noise | None = None
) -> tuple[float, float]:
    """The exact mean and variance of what a run from the exact marginal ends with, for a guess linear in x.

    Every step is then affine in x and in what it draws. One run without noise from the marginal's mean gives the mean;
    one with data of mean 0, whose start and draws are unit vectors, gives x as a sum over independent unit normals.
    """
    first = trajectory.levels[0]

    def end(centred: Gaussian, x: Tensor, draws: Noise) -> Tensor:
        *_, last = sampler(centred, State(x, first), trajectory, draws)
        return last.x

    begin = torch.full((1, 1), float(first.alpha) * oracle.mean, dtype=torch.float64)
    mean = end(oracle, begin, lambda x, *_: torch.zeros_like(x))
    x = torch.zeros(1, 4 * trajectory.steps + 8, dtype=torch.float64)
    x[0, 0] = oracle.spread(first)
    return float(mean), float(end(Gaussian(0.0, oracle.std), x, noise or Impulses()).square().sum())
