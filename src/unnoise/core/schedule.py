"""The noise schedule: t -> Level, clean at t = 0 and noisiest at t = 1, and its inverse.

A schedule is what a model was trained on and nothing else. A resolution shift is a spacing (sampling) or a distribution
of times (training), never a part of the schedule.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.core.level import Level


class Schedule(Protocol):
    """Monotone: sigma / alpha rises with t.

    `low` is the time of the least noise a run visits before the clean level, `rows` the number of rows of a table (0
    for a continuous path).
    """

    @property
    def low(self) -> float: ...
    @property
    def rows(self) -> int: ...
    def __call__(self, t: Tensor, /) -> Level: ...
    def time(self, ratio: Tensor, /) -> Tensor:
        """The t in [0, 1] at which sigma / alpha equals ratio (0 and infinity included)."""
        ...


@dataclass(frozen=True)
class Rectified:
    """Straight lines, x = (1 - t) data + t noise (rectified flow, flow matching; SD3, Flux)."""

    low: float = 1e-3
    rows: int = 0

    def __call__(self, t: Tensor) -> Level:
        return Level(t, 1 - t, t)

    def time(self, ratio: Tensor) -> Tensor:
        return 1 / (1 + 1 / ratio)


@dataclass(frozen=True)
class Cosine:
    """Variance preserving, alpha = cos(pi t / 2): the continuous form of Nichol and Dhariwal 2021."""

    low: float = 1e-3
    rows: int = 0

    def __call__(self, t: Tensor) -> Level:
        angle = t * (math.pi / 2)
        # cos(pi / 2) is 6e-17 in floating point; the path itself ends at alpha = 0.
        return Level(t, torch.where(t >= 1, torch.zeros_like(t), torch.cos(angle)), torch.sin(angle))

    def time(self, ratio: Tensor) -> Tensor:
        return torch.atan(ratio) * (2 / math.pi)


@dataclass(frozen=True)
class Exploding:
    """Noise is added and data never shrunk: alpha = 1, sigma = sigma_max t (Karras et al. 2022, section 3)."""

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rows: int = 0

    @property
    def low(self) -> float:
        return self.sigma_min / self.sigma_max

    def __call__(self, t: Tensor) -> Level:
        return Level(t, torch.ones_like(t), self.sigma_max * t)

    def time(self, ratio: Tensor) -> Tensor:
        return (ratio / self.sigma_max).clamp(0, 1)


Curve = Literal["linear", "scaled_linear", "squared_cosine"]


@dataclass(frozen=True)
class Betas:
    """A table of betas, variance preserving (DDPM, SD 1 and 2, SDXL).

    Row k of N, the peers' timestep k, stands at t = (k + 1) / N; t = 0 is the clean picture. Between rows sigma / alpha
    is interpolated, in its logarithm (k-diffusion) or as it is (diffusers' Euler); below row 0 it falls straight to
    zero, and above the last finite row of a zero-terminal-SNR table its inverse does.

    Args:
        curve: how beta grows: `linear` (Ho et al. 2020), `scaled_linear` (linear in the square root; latent diffusion)
            or `squared_cosine` (Nichol and Dhariwal 2021, eq. 17, betas clipped at 0.999).
        start, end: the first and the last beta of the two linear curves.
        rows: how many.
        zero_terminal_snr: shift and scale alpha so that the last row holds no data (Lin et al. 2024, algorithm 1).
        between: what is interpolated between rows.
    """

    curve: Curve = "scaled_linear"
    start: float = 0.00085
    end: float = 0.012
    rows: int = 1000
    zero_terminal_snr: bool = False
    between: Literal["log_sigma", "sigma"] = "log_sigma"
    ratios: Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.rows < 2 or not (0 < self.start < 1 and 0 < self.end < 1):
            raise Refused(
                f"no table has {self.rows} rows of betas from {self.start} to {self.end}",
                "a table takes at least 2 rows, and betas between 0 and 1",
                "schedule",
            )
        alpha = torch.cumprod(1 - self.betas(), 0).sqrt()
        if self.zero_terminal_snr:
            alpha = (alpha - alpha[-1]) * alpha[0] / (alpha[0] - alpha[-1])
        object.__setattr__(self, "ratios", (1 - alpha**2).sqrt() / alpha)

    def betas(self) -> Tensor:
        """The table as published, float64 of shape (rows,), before any rescaling."""
        if self.curve == "linear":
            return torch.linspace(self.start, self.end, self.rows, dtype=torch.float64)
        if self.curve == "scaled_linear":
            return torch.linspace(self.start**0.5, self.end**0.5, self.rows, dtype=torch.float64) ** 2
        t = torch.arange(self.rows + 1, dtype=torch.float64) / self.rows
        kept = torch.cos((t + 0.008) / 1.008 * (math.pi / 2)) ** 2
        return (1 - kept[1:] / kept[:-1]).clamp(max=0.999)

    @property
    def low(self) -> float:
        return 1 / self.rows

    def __call__(self, t: Tensor) -> Level:
        table = self.ratios.to(t.device)
        row = t.double() * self.rows - 1
        below = row.floor().clamp(0, self.rows - 2).long()
        first, second, part = table[below], table[below + 1], row - below
        if self.between == "sigma":
            ratio = torch.lerp(first, second, part)
        else:
            ratio = torch.lerp(first.log(), second.log(), part).exp()
        ratio = torch.where(torch.isinf(second) & (part < 1), first / (1 - part), ratio)
        ratio = torch.where(part >= 1, second, torch.where(part <= 0, first, ratio))
        ratio = torch.where(row < 0, table[0] * (row + 1), ratio)
        alpha = torch.rsqrt(1 + ratio**2)
        sigma = torch.where(torch.isinf(ratio), torch.ones_like(ratio), ratio * alpha)
        return Level(t, alpha.to(t.dtype), sigma.to(t.dtype))

    def time(self, ratio: Tensor) -> Tensor:
        table = self.ratios.to(ratio.device)
        want = ratio.double().clamp(max=float(table[-1]))
        above = torch.searchsorted(table, want).clamp(1, self.rows - 1)
        first, second = table[above - 1], table[above]
        if self.between == "sigma":
            part = (want - first) / (second - first)
        else:
            part = (want.log() - first.log()) / (second.log() - first.log())
        part = torch.where(torch.isinf(second), 1 - first / want, part)
        row = torch.where(want < table[0], want / table[0] - 1, above - 1 + part)
        return ((row + 1) / self.rows).to(ratio.dtype)


SCHEDULES: Mapping[str, type[Schedule]] = {
    "rectified": Rectified,
    "cosine": Cosine,
    "exploding": Exploding,
    "betas": Betas,
}
