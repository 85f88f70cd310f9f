"""The training loss on pictures that training never saw, at fixed noise and times: comparable from step to step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from unnoise.core.error import Refused

Errors = Callable[[Tensor, Tensor, Tensor, Any], tuple[Tensor, Any]]
Times = Callable[[int, torch.Generator], Tensor]


def even(count: int, random: torch.Generator) -> Tensor:
    """The middles of `count` equal parts of (0, 1), in a random order."""
    return (torch.randperm(count, generator=random) + 0.5) / count


@torch.no_grad()
def heldout(
    errors: Errors, data: Tensor, tokens: Callable[[slice], Any], times: Times = even, seed: int = 0, batch: int = 64
) -> float:
    """The mean error over every sample, each at one time and under its own noise, drawn on the CPU.

    Args:
        errors: an objective's: data (B, ...), t (B,), noise, tokens -> errors (B,).
        data: samples (N, C, H, W), float32.
        tokens: what the conditioner prepared for a slice of them.
        times: N times in (0, 1]; an objective's own make this its training loss.
        seed: of the noise and of which sample gets which time.
        batch: samples at once.

    Raises:
        Refused: there is no sample.
    """
    if not len(data):
        raise Refused("a held-out loss needs a picture", "add a held-out part, or leave it out", "heldout")
    random = torch.Generator("cpu").manual_seed(seed)
    t = times(len(data), random).to(data.device)
    noise = torch.randn(data.shape, generator=random).to(data.device)
    total = 0.0
    for first in range(0, len(data), batch):
        part = slice(first, first + batch)
        found, _ = errors(data[part], t[part], noise[part], tokens(part))
        total += float(found.double().sum())
    return total / len(data)
