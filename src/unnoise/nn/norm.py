"""Normalisations that keep the dtype they are given, under autocast as well."""

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
