"""The one noun: denoise(x, level) -> data, the expected clean data.

Only networks take conditions. A network with its prediction and clock is a `Denoiser`; bound to a condition it is a
`Bound`, a plain function of (x, level), and guidance, masks, tiles and caches wrap that.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from unnoise.core.clock import Clock
from unnoise.core.condition import Condition
from unnoise.core.level import Level
from unnoise.core.prediction import Prediction

C = TypeVar("C", bound=Condition)
C_contra = TypeVar("C_contra", bound=Condition, contravariant=True)


class Denoise(Protocol):
    """x of shape (B, ...) and its level -> the data guess, of x's shape and dtype."""

    def __call__(self, x: Tensor, level: Level, /) -> Tensor: ...


class Network(Protocol[C_contra]):
    """Scaled input (B, ...), time (B,) and condition -> output of the input's shape.

    One with `shares` set takes a condition of k B samples too, that of x's samples one after the other, k times over,
    and gives (k B, ...): what does not depend on the condition is computed once.
    """

    def __call__(self, x: Tensor, time: Tensor, condition: C_contra, /) -> Tensor: ...


class Denoiser(nn.Module, Generic[C]):
    """A network, what it predicts, and how it reads time. Sets no grad mode: training and sampling both call it."""

    def __init__(self, network: nn.Module, prediction: Prediction, clock: Clock) -> None:
        super().__init__()
        self.network = network
        self.prediction = prediction
        self.clock = clock

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type that the network computes in."""
        return computed(self.network)

    def output(self, x: Tensor, level: Level, condition: C, guesses: int = 1) -> Tensor:
        """The network's raw output at x (B, ...), in x's dtype: with a condition of `guesses` B samples, which comes
        back to the first sample after the last, (guesses B, ...)."""
        scaled = (self.prediction(level).scale * x).to(self.dtype)
        time = self.clock(level).to(x.device, torch.float32).reshape(-1).expand(len(x))
        if guesses > 1 and not getattr(self.network, "shares", False):
            scaled, time = torch.cat([scaled] * guesses), torch.cat([time] * guesses)
        return cast(Network[C], self.network)(scaled, time, condition).to(x.dtype)

    def forward(self, x: Tensor, level: Level, condition: C) -> Tensor:
        """The data guess at x (B, ...), in x's dtype."""
        return self.prediction(level).data(x, self.output(x, level, condition))

    def bind(self, condition: C, gradient: bool = False) -> "Bound[C]":
        """Fix the condition. With `gradient` the result may be differentiated; otherwise it runs under no_grad."""
        return Bound(self, condition, gradient)


@dataclass(frozen=True)
class Bound(Generic[C]):
    """A denoiser with its condition: a `Denoise`."""

    denoiser: Denoiser[C]
    condition: C
    gradient: bool = False

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        return self.denoiser.prediction(level).data(x, self.output(x, level))

    def output(self, x: Tensor, level: Level, guesses: int = 1) -> Tensor:
        with torch.set_grad_enabled(self.gradient):
            return self.denoiser.output(x, level, self.condition, guesses)


def computed(module: nn.Module) -> torch.dtype:
    """The floating-point type a module computes in: its weights', but for those of layers that follow their input."""
    return next((p.dtype for p in _leading(module) if p.is_floating_point()), torch.float32)


def device_of(module: nn.Module) -> torch.device:
    """Where a module computes: where its weights are, but for those of layers that follow their input."""
    return next((p.device for p in _leading(module)), torch.device("cpu"))


def _leading(module: nn.Module) -> list[nn.Parameter]:
    """A module's parameters, those first that do not follow what they are given (nn/native.py)."""
    found = [
        (getattr(layer, "follows", False), p) for layer in module.modules() for p in layer.parameters(recurse=False)
    ]
    return [p for _, p in sorted(found, key=lambda pair: pair[0])]
