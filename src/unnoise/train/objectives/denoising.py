"""Regress the network on its own target at random levels: DDPM, EDM and flow matching differ only in arguments."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from unnoise.core.condition import Condition
from unnoise.core.denoiser import Denoiser
from unnoise.core.level import Level
from unnoise.core.model import Conditioner, Model
from unnoise.core.schedule import Schedule
from unnoise.train.objective import Example, Loss
from unnoise.train.precision import computing
from unnoise.train.times import Times, UniformTimes
from unnoise.train.weighting import Plain, Weighting


@dataclass(frozen=True)
class Denoising:
    """Args:
    denoiser, conditioner: what is trained, together.
    schedule: where levels lie.
    times: how they are drawn.
    weighting: how much each counts.
    autocast: the floating-point type the network computes in where the machine is quick in it, its weights staying
        float32; None for theirs.
    """

    denoiser: Denoiser[Any]
    conditioner: Conditioner
    schedule: Schedule
    times: Times = field(default_factory=UniformTimes)
    weighting: Weighting = field(default_factory=Plain)
    autocast: torch.dtype | None = None

    def __call__(self, example: Example) -> Iterator[Loss]:
        data, random = example.data, example.random
        t = self.times(len(data), self.schedule, random).to(data.device)
        noise = torch.randn(data.shape, generator=random, device=random.device).to(data)
        error, level = self.errors(data, t, noise, example.tokens)
        yield Loss("model", error.mean(), {"t": level.t.flatten(), "error": error.detach()})

    def of(self, model: Model) -> "Denoising":
        """The same objective for another model's modules."""
        return replace(self, denoiser=model.denoiser, conditioner=model.conditioner)

    def errors(self, data: Tensor, t: Tensor, noise: Tensor, tokens: Any) -> tuple[Tensor, Level]:
        """The weighted error (B,) of each sample of data (B, C, H, W) at its own time t (B,) under this noise."""
        level = self.schedule(t.float().reshape(-1, *(1 for _ in data.shape[1:])))
        x = level.mix(data, noise)
        affine = self.denoiser.prediction(level)
        output = self._output(x, level, tokens)
        weight = self.weighting(level, affine) * affine.out**2
        error = weight * (output.float() - affine.target(x, data)).square()
        return error.flatten(1).mean(1), level

    def _output(self, x: Tensor, level: Level, tokens: Any) -> Tensor:
        with computing(x, self.autocast):
            condition: Condition = self.conditioner(tokens)
            return self.denoiser.output(x, level, condition)
