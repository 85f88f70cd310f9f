"""T5 1.1's encoder (Raffel et al. 2020; gated GELU after Shazeer 2020), which SD 3 and Flux read prompts with.

Places are told by a learnt bias on attention for each distance, the first block's for all; there is no limit to a
text's length but memory. What passes from block to block is float32 whatever the weights are: in the XXL model it
outgrows float16.
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from unnoise.nn.native import Embedding, Linear, native
from unnoise.nn.norm import RMSNorm


@dataclass(frozen=True, kw_only=True)
class T5Config:
    """Args:
    vocabulary: how many tokens there are.
    width, depth, heads, head_width, hidden: of the transformer; `hidden` is the MLP's inner width.
    buckets: how many distances are told apart.
    distance: from which on all are alike.
    eps: of the norms.
    """

    vocabulary: int = 32128
    width: int = 4096
    depth: int = 24
    heads: int = 64
    head_width: int = 64
    hidden: int = 10240
    buckets: int = 32
    distance: int = 128
    eps: float = 1e-6


class T5(nn.Module):
    """Tokens (B, L) -> states (B, L, width)."""

    Config = T5Config

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.config = config
        self.words = Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.buckets, config.heads)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = RMSNorm(config.width, config.eps)

    @property
    def place(self) -> Tensor:
        """A weight that is where the encoder computes, wherever others are stored."""
        return self.positions.weight

    def forward(self, ids: Tensor) -> Tensor:
        """Every token counts, padding too, as in the models that were trained on this one's states."""
        dtype = native(self.place.device.type, self.place.dtype)
        bias = self.bias(ids.shape[1]).to(dtype)
        x = self.words(ids).to(self.place.device, torch.float32)
        for block in self.blocks:
            x = block(x, bias, dtype)
        return self.norm(x).to(dtype)

    def bias(self, length: int) -> Tensor:
        """What is added to each head's attention, (1, heads, length, length), rows looking at columns."""
        places = torch.arange(length, device=self.positions.weight.device)
        buckets = bucket(places[None, :] - places[:, None], self.config.buckets, self.config.distance)
        return self.positions(buckets).permute(2, 0, 1)[None].contiguous()


class Block(nn.Module):
    """Attention and an MLP, each behind a norm."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width, config.eps)
        self.attention = Attention(config)
        self.mlp_norm = RMSNorm(config.width, config.eps)
        self.mlp = GatedMLP(config)

    def forward(self, x: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
        """x (B, L, width) float32 -> the same"""
        x = x + self.attention(self.attention_norm(x).to(dtype), bias)
        return x + self.mlp(self.mlp_norm(x).to(dtype))


class Attention(nn.Module):
    """Multi-head attention whose scores are not scaled by the heads' width."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.heads, inner = config.heads, config.heads * config.head_width
        self.q = Linear(config.width, inner, bias=False)
        self.k = Linear(config.width, inner, bias=False)
        self.v = Linear(config.width, inner, bias=False)
        self.o = Linear(inner, config.width, bias=False)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x (B, L, width), bias (1, heads, L, L) -> (B, L, width)"""
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.q, self.k, self.v)
        )  # (B, H, L, D)
        found = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=1.0)
        return self.o(found.transpose(1, 2).flatten(2))


class GatedMLP(nn.Module):
    """Two layers side by side, one of them a gate, and one behind them."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.wi_0 = Linear(config.width, config.hidden, bias=False)
        self.wi_1 = Linear(config.width, config.hidden, bias=False)
        self.wo = Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, width) -> the same shape; float32 for float16, whose range the result would leave"""
        inner = nn.functional.gelu(self.wi_0(x), approximate="tanh") * self.wi_1(x)
        if inner.dtype != torch.float16:
            return self.wo(inner)
        return cast(Tensor, self.wo(inner * 2**-6)).float() * 2**6


def bucket(distance: Tensor, buckets: int, most: int) -> Tensor:
    """The number of the bias for each distance (int64), from the place that looks to the one looked at.

    Half the buckets are for what lies after, half for what lies before. Of each half, one half are for a distance of
    their own, and the rest grow with the logarithm up to `most`.
    """
    half = buckets // 2
    own = half // 2
    away = distance.abs()
    far = torch.log(away.clamp(min=1).float() / own) / math.log(most / own) * (half - own)
    near_or_far = torch.where(away < own, away, (own + far.long()).clamp(max=half - 1))
    return near_or_far + half * (distance > 0)
