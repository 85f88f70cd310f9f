"""Attention with queries and keys of unit size, so that long trainings stay stable (Dehghani et al. 2023, sec. 2)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from unnoise.nn.native import native
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

    torch's fused kernel, but for two cases on a CPU. With gradient, forward and backward together take 3.2 times as
    long there as plain matrix products at 80 tokens and 1.2 times at 272 (benchmarks/attention.py prints it). And where
    the machine multiplies bfloat16 itself the kernel does not (torch 2.13): there plain products of a piece at a time
    are faster at thousands of tokens (benchmarks/checkpoints.py times a whole step).
    """
    if query.device.type != "cpu":
        return scaled_dot_product_attention(query, key, value, attn_mask=seen)
    if torch.is_grad_enabled() and query.requires_grad:
        return _weights(query, key, seen) @ value
    if seen is None and multiplied_here(query.dtype) and min(query.shape[2], key.shape[2]) >= ROWS:
        return attend_by_rows(query, key, value)
    return scaled_dot_product_attention(query, key, value, attn_mask=seen)


ROWS = 512
"""Queries that look at once in `attend_by_rows`: few enough for their weights to stay in a core's cache."""

EVERY = 16
"""One key of so many is looked at for the largest score of a row."""


def multiplied_here(dtype: torch.dtype) -> bool:
    """Whether this is the half-precision type whose products the machine's CPU has instructions for."""
    return dtype == torch.bfloat16 == native("cpu", dtype)


@torch.library.custom_op("unnoise::attend_by_rows", mutates_args=())
def attend_by_rows(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention without a mask, one head and some rows at a time: (B, H, N, D), laid out as (B, N, H, D).

    To torch.compile it is one operation, where the loop would be hundreds.
    """
    out = _laid_out(query)
    for sample in range(len(query)):
        for head in range(query.shape[1]):
            some, keys = _scored(query[sample, head], key[sample, head])
            for rows, found in zip(some.split(ROWS), out[sample, head].split(ROWS), strict=True):
                weights = rows @ keys
                torch.softmax(weights, -1, out=weights)
                found.copy_(weights @ value[sample, head])
    return out


def _scored(query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    """Queries (N, D + 1) and keys (D + 1, M) whose products are scores, less about the largest of a row.

    A product is rounded to its own size, so that those which count must be near zero: a score of 30 in bfloat16 is off
    by up to 0.06, and its weight by 6 %. The difference makes none to a softmax.
    """
    query = query * query.shape[-1] ** -0.5
    largest = (query @ key[::EVERY].T).amax(-1, keepdim=True)
    return torch.cat([query, -largest], -1), torch.cat([key, key.new_ones(len(key), 1)], -1).T


@attend_by_rows.register_fake
def _laid_out(query: Tensor, *_: Tensor) -> Tensor:
    batch, heads, rows, width = query.shape
    return query.new_empty(batch, rows, heads, width).transpose(1, 2)


def _weights(query: Tensor, key: Tensor, seen: Tensor | None) -> Tensor:
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return (scores if seen is None else scores.masked_fill(~seen, -torch.inf)).softmax(-1)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Adaptive layer norm's shift and scale: x (B, N, D), shift and scale (B, 1, D)."""
    return torch.addcmul(shift, x, 1 + scale)
