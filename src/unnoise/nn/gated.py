"""The gated two-layer network of latent diffusion's transformers (GEGLU: Shazeer 2020)."""

import torch
from torch import Tensor, nn

from unnoise.nn.native import Linear

TOKENS = 1024
"""So many at a time where nothing has to be remembered: what lies in between stays in memory that is warm."""


class GatedMLP(nn.Module):
    """Linear, half of it gated by the other half's GELU, and linear. Parameters have diffusers' names.

    Args:
        width: in and out.
        ratio: the hidden width over the outer one.
    """

    def __init__(self, width: int, ratio: int = 4) -> None:
        super().__init__()
        hidden = ratio * width
        self.net = nn.ModuleList([Gated(width, hidden), nn.Identity(), Linear(hidden, width)])

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)"""
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self.net[2](self.net[0](x))
        return torch.cat([self.net[2](self.net[0](some)) for some in x.flatten(0, 1).split(TOKENS)]).view_as(x)


class Gated(nn.Module):
    """(..., before) -> (..., after)"""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.proj = Linear(before, 2 * after)

    def forward(self, x: Tensor) -> Tensor:
        hidden, gate = self.proj(x).chunk(2, -1)
        return hidden * nn.functional.gelu(gate)
