"""Attention with queries and keys of unit size, so that long trainings stay stable (Dehghani et al. 2023, sec. 2)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from unnoise.nn.norm import RMSNorm
from unnoise.nn.rope import rotate


class Attention(nn.Module):
    """Multi-head attention of a sequence to itself, or to another one.

    Args:
        width: of the sequence and the result.
        heads: a divisor of width.
        context: the width of the other sequence; None attends to itself.
    """

    def __init__(self, width: int, heads: int, context: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(context or width, 2 * width)
        self.query_norm = RMSNorm(width // heads)
        self.key_norm = RMSNorm(width // heads)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        angles: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """x (B, N, width), context (B, M, its width), mask (B, M) or (B, N, M) of keys that count -> (B, N, width)."""
        query = self._split(self.query(x))  # (B, H, N, D)
        key, value = (self._split(part) for part in self.key_value(x if context is None else context).chunk(2, -1))
        query, key = self.query_norm(query), self.key_norm(key)
        if angles is not None:
            query, key = rotate(query, angles), rotate(key, angles)
        seen = None if mask is None else mask[:, None, None, :] if mask.ndim == 2 else mask[:, None]
        found = attend(query.to(value.dtype), key.to(value.dtype), value, seen)
        return self.out(found.transpose(1, 2).flatten(2))

    def apart(self, x: Tensor) -> Tensor:
        """What comes out where every token sees itself alone: x (B, N, width) -> (B, N, width)."""
        return self.out(self.key_value(x).chunk(2, -1)[1])

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def attend(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention (B, H, N, D), `seen` broadcasting to (B, H, N, M), True where a key counts.

    torch's fused kernel, but on a CPU with gradient: there, forward and backward together take 3.2 times as long as
    plain matrix products at 80 tokens and 1.2 times at 272 (benchmarks/attention.py prints it).
    """
    if query.device.type != "cpu" or not (torch.is_grad_enabled() and query.requires_grad):
        return scaled_dot_product_attention(query, key, value, attn_mask=seen)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if seen is not None:
        scores = scores.masked_fill(~seen, -torch.inf)
    return scores.softmax(-1) @ value


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Adaptive layer norm's shift and scale: x (B, N, D), shift and scale (B, 1, D)."""
    return torch.addcmul(shift, x, 1 + scale)
