"""How training times are drawn: a distribution over the schedule's t, as a function of uniform or normal draws."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from unnoise.core.schedule import Schedule


class Times(Protocol):
    """count times in (0, 1] for a schedule, float32 of shape (count,) on the generator's device."""

    def __call__(self, count: int, schedule: Schedule, random: torch.Generator, /) -> Tensor: ...


@dataclass(frozen=True)
class UniformTimes:
    """Every time alike, one draw in each of `count` equal parts (Kingma et al. 2021, appendix I.1), shuffled.

    On a table of rows this falls on whole rows, as Ho et al. 2020 train.
    """

    def __call__(self, count: int, schedule: Schedule, random: torch.Generator) -> Tensor:
        u = _stratified(count, random)
        if schedule.rows:
            return (u * schedule.rows).floor().clamp(max=schedule.rows - 1).add(1) / schedule.rows
        return schedule.low + (1 - schedule.low) * u


@dataclass(frozen=True)
class LogitNormal:
    """sigmoid of a normal: most times in the middle (Esser et al. 2024, section 3.1).

    Args:
        mean: above 0 moves towards noise.
        deviation: the normal's.
        shift: a resolution shift, t -> shift t / (1 + (shift - 1) t).
    """

    mean: float = 0.0
    deviation: float = 1.0
    shift: float = 1.0

    def __call__(self, count: int, schedule: Schedule, random: torch.Generator) -> Tensor:
        t = torch.sigmoid(self.mean + self.deviation * _normal(count, random))
        t = self.shift * t / (1 + (self.shift - 1) * t)
        return t.clamp(min=schedule.low)


@dataclass(frozen=True)
class LogNormalSigma:
    """log(sigma / alpha) is normal (Karras et al. 2022, table 1)."""

    mean: float = -1.2
    deviation: float = 1.2

    def __call__(self, count: int, schedule: Schedule, random: torch.Generator) -> Tensor:
        ratio = torch.exp(self.mean + self.deviation * _normal(count, random))
        return schedule.time(ratio).clamp(min=schedule.low)


def _stratified(count: int, random: torch.Generator) -> Tensor:
    parts = torch.rand(count, generator=random, device=random.device)
    order = torch.randperm(count, generator=random, device=random.device)
    return (order + parts) / count


def _normal(count: int, random: torch.Generator) -> Tensor:
    """Normal draws by way of stratified uniform ones: the same distribution, less variance over a batch."""
    u = _stratified(count, random).clamp(1e-6, 1 - 1e-6)
    return torch.special.ndtri(u)
