"""How likely a model finds a picture: a change of variables along the probability-flow ODE (Song et al. 2021, eq. 39).

Every path x = alpha data + sigma noise is, scaled to unit length, a turn from data to noise by an angle,

    u = x / (alpha² + sigma²)^(1/2) = cos(a) data + sin(a) noise,    tan(a) = sigma / alpha,

along which the ODE is du/da = (cos(a) u - D) / sin(a), with D the data guess. In w = ln tan(a / 2), which has
da = sin(a) dw and alpha / sigma = -sinh(w), nothing is divided by anything, even at the end without data (w = 0):

    du/dw = c u - D,    d log p(u)/dw = -(n c - tr dD/du),    c = cos(a) = -tanh(w)

for u of n values. Runge and Kutta's fourth-order steps go from the model's least noise to its most, where u is normal
with the variance that a run starts from. The trace is exact, or Hutchinson's estimate with probes that stay the same
all the way (Grathwohl et al. 2019, eq. 8), which is right on average.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from unnoise.core.denoiser import Denoise
from unnoise.core.error import Refused
from unnoise.core.level import Level
from unnoise.core.schedule import Schedule
from unnoise.core.trajectory import level_at, level_of

Guess = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Path:
    """The part of a schedule that the ODE runs over.

    Args:
        schedule: the model's.
        steps: Runge-Kutta steps, four calls of the denoiser each.
        low, high: times it starts and ends at; by default the schedule's own least noise, and its end.
    """

    schedule: Schedule
    steps: int = 16
    low: float | None = None
    high: float = 1.0

    def __post_init__(self) -> None:
        begin = self.schedule.low if self.low is None else self.low
        if self.steps < 1 or not 0 < begin < self.high <= 1:
            what = f"the ODE cannot run from time {begin:g} to {self.high:g} in {self.steps} steps"
            raise Refused(what, "take at least one step, and times 0 < low < high <= 1", "steps")

    @property
    def ends(self) -> tuple[Level, Level]:
        """The levels of least and of most noise."""
        low = self.schedule.low if self.low is None else self.low
        return level_at(self.schedule, low), level_at(self.schedule, self.high)

    @property
    def span(self) -> tuple[float, float]:
        """w at both ends."""
        low, high = (-math.asinh(float(level.alpha / level.sigma)) for level in self.ends)
        return low, high

    def level(self, w: float) -> Level:
        """The schedule's level at w; its own last one at the end, since sigma / alpha may be infinite there."""
        low, high = self.span
        if w >= high:
            return self.ends[1]
        return self.ends[0] if w <= low else level_of(self.schedule, -1 / math.sinh(w))


class Trace(Protocol):
    """The trace of the data guess's derivative, and the guess: (guess, u) -> D (B, ...), trace (B,)."""

    def __call__(self, guess: Guess, u: Tensor, /) -> tuple[Tensor, Tensor]: ...


class Exact:
    """Every diagonal entry by itself: as many backward passes as u has values. For small u, and for tests."""

    def __call__(self, guess: Guess, u: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            u = u.detach().requires_grad_()
            data = guess(u)
            flat, total = data.flatten(1).sum(0), torch.zeros(len(u), dtype=torch.float64, device=u.device)
            for k, value in enumerate(flat):
                (slope,) = torch.autograd.grad(value, u, retain_graph=True)
                total += slope.flatten(1)[:, k].double()
        return data.detach(), total


@dataclass(frozen=True, eq=False)
class Hutchinson:
    """The mean of e' (dD/du) e over fixed probes e (P, B, ...) of random signs: one backward pass each."""

    probes: Tensor

    def __call__(self, guess: Guess, u: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            u = u.detach().requires_grad_()
            data = guess(u)
            found = [torch.autograd.grad((data * e).sum(), u, retain_graph=True)[0] * e for e in self.probes]
        total = torch.stack([part.flatten(1).double().sum(1) for part in found]).mean(0)
        return data.detach(), total


def probes(shape: tuple[int, ...], count: int = 1, seed: int = 0) -> Tensor:
    """Random signs (count, B, ...) for a batch of this shape, each sample's a function of the seed and its place."""
    each = [_random(seed, k) for k in range(shape[0])]
    drawn = [torch.randint(0, 2, (count, *shape[1:]), generator=random) for random in each]
    return 2.0 * torch.stack(drawn, 1) - 1


def log_density(denoise: Denoise, path: Path, data: Tensor, trace: Trace) -> Tensor:
    """The natural logarithm of the model's density at samples (B, ...), float64 (B,).

    It is that of what a run would make if it stopped at the path's least noise and were scaled by 1 / alpha.

    Args:
        denoise: a denoiser that may be differentiated: `bind(condition, gradient=True)`.
        data: samples as the model diffuses them, float32 or float64.

    Raises:
        Refused: the network cannot guess at the path's end.
    """
    (low, high), values = path.span, data[0].numel()
    u = data * -math.tanh(low)
    gained = torch.zeros(len(u), dtype=torch.float64, device=u.device)
    step = (high - low) / path.steps
    for k in range(path.steps):
        w = low + k * step
        middle, end = w + step / 2, high if k == path.steps - 1 else w + step
        slopes = [_slope(denoise, path, trace, w, u)]
        for to, reach in ((middle, step / 2), (middle, step / 2), (end, step)):
            slopes.append(_slope(denoise, path, trace, to, u + reach * slopes[-1][0]))
        (k1, d1), (k2, d2), (k3, d3), (k4, d4) = slopes
        u = u + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        gained += step / 6 * (d1 + 2 * d2 + 2 * d3 + d4)
    # The samplers start from sigma times unit noise, which is what p means at the end.
    variance = math.cosh(high) ** -2
    prior = -(u.double().square().flatten(1).sum(1) / variance + values * math.log(2 * math.pi * variance)) / 2
    return prior + gained + values * math.log(-math.tanh(low))


def bits(log_densities: Tensor, values: int, width: float = 1.0) -> Tensor:
    """Bits for each of a sample's values, for data in steps of this width with uniform noise added; else width 1."""
    return -(log_densities / values + math.log(width)) / math.log(2)


def dequantised(pixels: Tensor, seed: int = 0) -> Tensor:
    """uint8 pictures (B, C, H, W) as data in [-1, 1], each value anywhere in its step of 2/255 (Theis et al. 2016)."""
    each = [_random(seed, 500_009 + k) for k in range(len(pixels))]
    within = torch.stack([torch.rand(pixels.shape[1:], generator=random) for random in each]) - 0.5
    return (pixels.float() + within.to(pixels.device)) / 127.5 - 1


def _random(seed: int, k: int) -> torch.Generator:
    """The k-th sample's own draws, for a seed of any size."""
    return torch.Generator("cpu").manual_seed((seed * 1_000_003 + k) % 2**63)


def _slope(denoise: Denoise, path: Path, trace: Trace, w: float, u: Tensor) -> tuple[Tensor, Tensor]:
    """du/dw, and how fast log p gains when read from noise to data: minus its change along the way."""
    level = path.level(w)
    length = (level.alpha**2 + level.sigma**2).sqrt()
    turn = float(level.alpha / length)
    data, total = trace(lambda v: denoise(v * length, level), u)
    return turn * u - data, u[0].numel() * turn - total
