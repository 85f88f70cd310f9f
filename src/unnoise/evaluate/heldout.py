"""The training loss on pictures that training never saw, at fixed noise and fixed times: comparable from step to step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Errors = Callable[[Tensor, Tensor, Tensor, Any], tuple[Tensor, Any]]


@torch.no_grad()
def heldout(errors: Errors, data: Tensor, tokens: Callable[[slice], Any], seed: int = 0, batch: int = 64) -> float:
    """The mean error over every sample, each at one time of an even grid and under its own noise.

    Args:
        errors: an objective's: data (B, ...), t (B,), noise, tokens -> errors (B,).
        data: samples (N, C, H, W), float32.
        tokens: what the conditioner prepared for a slice of them.
        seed: of the noise and of which sample gets which time.
    """
    random = torch.Generator("cpu").manual_seed(seed)
    order = torch.randperm(len(data), generator=random)
    times = ((order + 0.5) / len(data)).to(data.device)
    noise = torch.randn(data.shape, generator=random).to(data.device)
    total = 0.0
    for first in range(0, len(data), batch):
        part = slice(first, first + batch)
        found, _ = errors(data[part], times[part], noise[part], tokens(part))
        total += float(found.double().sum())
    return total / len(data)
