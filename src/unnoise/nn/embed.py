"""Numbers as vectors."""

import math

import torch
from torch import Tensor, nn


def sinusoidal(value: Tensor, width: int, period: float = 10_000.0) -> Tensor:
    """Cosines and sines of falling frequency (Vaswani et al. 2017, section 3.5; cosines first, as Ho et al. 2020).

    Args:
        value: (B,) float32.
        width: even.
    Returns:
        (B, width) float32.
    """
    half = width // 2
    frequencies = torch.exp(-math.log(period) * torch.arange(half, device=value.device, dtype=torch.float32) / half)
    angle = value.float()[:, None] * frequencies
    return torch.cat([angle.cos(), angle.sin()], 1)


class TimeEmbedding(nn.Module):
    """A clock's reading -> a vector, through sinusoids and two layers.

    Args:
        width: of the result.
        frequencies: how many sinusoids.
    """

    def __init__(self, width: int, frequencies: int = 256) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.first = nn.Linear(frequencies, width)
        self.second = nn.Linear(width, width)

    def forward(self, time: Tensor) -> Tensor:
        """(B,) -> (B, width)"""
        sinusoids = sinusoidal(time, self.frequencies).to(self.first.weight.dtype)
        return self.second(nn.functional.silu(self.first(sinusoids)))
