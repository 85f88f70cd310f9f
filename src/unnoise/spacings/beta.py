"""Steps by the quantiles of a beta distribution: most of them near both ends (Lee et al. 2024, "Beta Sampling").

The quantile inverts the regularised incomplete beta function, whose continued fraction is DLMF 8.17.22.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unnoise.core.error import Refused
from unnoise.core.trajectory import counted
from unnoise.spacings._ramp import ramped
from unnoise.spacings._rows import along, count

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule
    from unnoise.core.trajectory import Trajectory

TERMS = 24
"""Of the continued fraction, in pairs: within 1e-13 for parameters up to 20."""


@dataclass(frozen=True)
class Beta:
    """Args:
    alpha, beta: of the distribution; both 1 make equal steps.
    over: what is spread: a table's rows (the paper, ComfyUI), or sigma (A1111, diffusers).
    rounded: to whole rows, as ComfyUI does.
    """

    alpha: float = 0.6
    beta: float = 0.6
    over: Literal["rows", "sigma"] = "rows"
    rounded: bool = False

    def __post_init__(self) -> None:
        if not (0.1 <= self.alpha <= 20 and 0.1 <= self.beta <= 20):
            raise Refused("this beta distribution makes no steps", "alpha and beta run from 0.1 to 20", "spacing")
        if self.rounded and self.over == "sigma":
            raise Refused("sigmas are not rounded to rows", "leave out rounded, or take over=rows", "spacing")

    def __call__(self, schedule: Schedule, steps: int, shape: tuple[int, ...] = ()) -> Trajectory:
        if self.over == "sigma":
            return ramped(schedule, steps, 0.0, 0.0, self._ramp)
        top = count(schedule, steps) - 1
        rows = [top * quantile(1 - i / steps, self.alpha, self.beta) for i in range(counted(steps))]
        if self.rounded:  # the median is half a row, and must not fall by its last digit
            rows = [float(round(round(row, 9))) for row in rows]
        return along(schedule, rows, "noise", "clean")

    def _ramp(self, high: float, low: float, steps: int) -> list[float]:
        parts = [quantile(1 - i / (steps - 1), self.alpha, self.beta) for i in range(steps)]
        return [low + (high - low) * part for part in parts]


def quantile(part: float, a: float, b: float) -> float:
    """The x below which this part of the beta distribution lies, by bisection to the last digit."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if cumulative(middle, a, b) < part else (low, middle)
    return high if 0 < part < 1 else part


def cumulative(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x in (0.0, 1.0):
        return x
    if x > (a + 1) / (a + b + 2):  # where the continued fraction converges slowly, its mirror image converges fast
        return 1 - cumulative(1 - x, b, a)
    log_front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log_front) / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1 / (1 + d2 / (1 + ...)), from a term that no longer counts back to the first."""
    value = 1.0
    for m in range(TERMS, 0, -1):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m - 1) * (a + b + m - 1) * x / ((a + 2 * m - 2) * (a + 2 * m - 1))
        value = 1 + odd / (1 + even / value)
    return value


spacing = Beta
aliases = ["Beta"]
