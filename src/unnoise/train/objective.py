"""What an objective is: a batch in, a loss for each role it trains out; adversaries and distillation fit one loop."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Example:
    """A batch as an objective takes it.

    Args:
        data: samples (B, C, H, W), float32, on the device.
        tokens: what the conditioner prepared, for the same B.
        random: the step's own generator, a function of (seed, step).
    """

    data: Tensor
    tokens: Any
    random: torch.Generator


@dataclass(frozen=True)
class Loss:
    """A value to descend for one role (a named optimizer), and what to report beside it, detached."""

    role: str
    value: Tensor
    metrics: Mapping[str, Tensor]


class Objective(Protocol):
    def __call__(self, example: Example, /) -> Iterator[Loss]: ...
