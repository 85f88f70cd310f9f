"""Normalisations that keep the dtype they are given, under autocast as well."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """Scale the last axis to unit mean square (Zhang and Sennrich 2019), computed in x's own dtype."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), self.eps)


class GroupNorm(nn.Module):
    """Zero mean and unit variance for each group of channels (Wu and He 2018), in x's own dtype.

    There are at most 32 groups, as many as divide the channels evenly.

    Args:
        channels: how many there are.
        least: channels of a group, at least.
    """

    def __init__(self, channels: int, least: int = 4, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.groups = next(n for n in range(max(1, min(32, channels // least)), 0, -1) if channels % n == 0)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, ...) -> the same shape"""
        # Autocast would give float32 on an accelerator, and twice the memory; the sums inside are float32 anyway.
        with _as_given(x.device.type):
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            return nn.functional.group_norm(x, self.groups, weight, bias, self.eps)


def _as_given(device: str) -> AbstractContextManager[object]:
    """Without autocast, on devices that have it."""
    available = torch.amp.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if available else nullcontext()
