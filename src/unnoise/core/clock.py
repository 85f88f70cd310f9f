"""What a network reads as time: a table's row, t itself, or the logarithm of sigma."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from unnoise.core.level import Level


class Clock(Protocol):
    def __call__(self, level: Level, /) -> Tensor: ...


@dataclass(frozen=True)
class Rows:
    """The row of a table, 0 to rows - 1; fractional between rows unless rounded (DDPM, SD 1 and 2, SDXL)."""

    rows: int = 1000
    rounded: bool = False

    def __call__(self, level: Level) -> Tensor:
        row = (level.t * self.rows - 1).clamp(min=0)
        return row.round() if self.rounded else row


@dataclass(frozen=True)
class Scaled:
    """t times a constant (1000 in SD3 and Flux)."""

    scale: float = 1000.0

    def __call__(self, level: Level) -> Tensor:
        return level.t * self.scale


@dataclass(frozen=True)
class LogSigma:
    """log(sigma / alpha) times a constant (1/4 in EDM; here 250, for the usual sinusoidal embedding of 0 to 1000)."""

    scale: float = 250.0

    def __call__(self, level: Level) -> Tensor:
        return level.ratio.log() * self.scale


CLOCKS: Mapping[str, type[Clock]] = {"rows": Rows, "scaled": Scaled, "log_sigma": LogSigma}
