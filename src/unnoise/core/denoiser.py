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
    """Scaled input (B, ...), time (B,) and condition -> output of the input's shape."""

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

    def output(self, x: Tensor, level: Level, condition: C) -> Tensor:
        """The network's raw output at x (B, ...), in x's dtype."""
        scaled = (self.prediction(level).scale * x).to(self.dtype)
        time = self.clock(level).to(x.device, torch.float32).reshape(-1).expand(len(x))
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

    def output(self, x: Tensor, level: Level) -> Tensor:
        with torch.set_grad_enabled(self.gradient):
            return self.denoiser.output(x, level, self.condition)


def computed(module: nn.Module) -> torch.dtype:
    """The floating-point type a module computes in: its weights', but for those of layers that follow their input."""
    found = [(p.dtype, layer) for layer in module.modules() for p in layer.parameters(recurse=False)]
    kinds = [(kind, getattr(layer, "follows", False)) for kind, layer in found if kind.is_floating_point]
    return next((kind for kind, follows in kinds if not follows), kinds[0][0] if kinds else torch.float32)
