"""CLIP's text transformer (Radford et al. 2021): L as OpenAI trained it, H and bigG as OpenCLIP did.

Diffusion models take a hidden state, the last or one before it, with or without the final norm over it; and some the
pooled vector, the last state where the prompt ends. Modules have the names that transformers gives them; queries, keys
and values are one layer, as in OpenCLIP's files.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from unnoise.core.error import Refused
from unnoise.nn.attention import attend
from unnoise.nn.native import Embedding, LayerNorm, Linear, native


@dataclass(frozen=True, kw_only=True)
class CLIPTextConfig:
    """Args:
    vocabulary: how many tokens there are.
    positions: tokens read at once, the two marks included.
    width, depth, heads, hidden: of the transformer; `hidden` is the MLP's inner width.
    activation: the MLP's; OpenAI's model has the quick form, OpenCLIP's the exact one.
    projection: the width of the pooled vector; 0 leaves it as wide as the states.
    end: the token that ends a prompt, where it is pooled. 2, which old files say, stands for the highest token.
    eps: of the layer norms.
    """

    vocabulary: int = 49408
    positions: int = 77
    width: int = 768
    depth: int = 12
    heads: int = 12
    hidden: int = 3072
    activation: Literal["quick_gelu", "gelu"] = "quick_gelu"
    projection: int = 0
    end: int = 49407
    eps: float = 1e-5


class CLIPText(nn.Module):
    """Tokens (B, L), L at most `positions` -> states (B, L, width) and the pooled vector."""

    Config = CLIPTextConfig

    def __init__(self, config: CLIPTextConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)
        self.final_layer_norm = LayerNorm(config.width, config.eps)
        self.text_projection = Linear(config.width, config.projection, bias=False) if config.projection else None

    @property
    def place(self) -> Tensor:
        """A weight that is where the encoder computes, wherever others are stored."""
        return self.embeddings.position_embedding.weight

    def states(self, ids: Tensor, skip: int = 0, norm: bool = True) -> Tensor:
        """What a network without pooled vectors is conditioned on, (B, L, width); layers after it are not run.

        Args:
            ids: (B, L) int64.
            skip: how many of the last layers are left out.
            norm: whether the final norm goes over the state.
        """
        found = self.encoder(self.embeddings(ids), 0, self.config.depth - skip)
        return self.final_layer_norm(found) if norm else found

    def forward(self, ids: Tensor, skip: int = 0, norm: bool = True) -> tuple[Tensor, Tensor]:
        """The same, and the pooled vector (B, projection or width): the last state, normed, where the prompt ends."""
        before = self.config.depth - skip
        found = self.encoder(self.embeddings(ids), 0, before)
        last = self.final_layer_norm(self.encoder(found, before, self.config.depth))
        pooled = last[torch.arange(len(ids), device=ids.device), self._ends(ids)]
        pooled = pooled if self.text_projection is None else self.text_projection(pooled)
        return (self.final_layer_norm(found) if norm else found), pooled

    def _ends(self, ids: Tensor) -> Tensor:
        """Where each prompt ends, (B,)."""
        if self.config.end == 2:
            # Tokens that were learnt later (textual inversion) are higher than the end.
            return ids.where(ids < self.config.vocabulary, 0).argmax(-1)
        return (ids == self.config.end).int().argmax(-1)


class Embeddings(nn.Module):
    """A vector for each token and one for each place."""

    def __init__(self, config: CLIPTextConfig) -> None:
        super().__init__()
        self.token_embedding = Embedding(config.vocabulary, config.width)
        self.position_embedding = nn.Embedding(config.positions, config.width)

    def forward(self, ids: Tensor) -> Tensor:
        places = self.position_embedding.weight[: ids.shape[1]]
        places = places.to(native(places.device.type, places.dtype))
        return self.token_embedding(ids).to(places) + places


class Encoder(nn.Module):
    """The layers, from one up to another."""

    def __init__(self, config: CLIPTextConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.depth))

    def forward(self, x: Tensor, first: int, last: int) -> Tensor:
        """(B, L, width) -> the same shape"""
        length = x.shape[1]
        seen = torch.ones(length, length, dtype=torch.bool, device=x.device).tril()
        for layer in self.layers[first:last]:
            x = layer(x, seen)
        return x


class Layer(nn.Module):
    """Attention to what came before and an MLP, each behind a norm."""

    def __init__(self, config: CLIPTextConfig) -> None:
        super().__init__()
        self.layer_norm1 = LayerNorm(config.width, config.eps)
        self.self_attn = SelfAttention(config.width, config.heads)
        self.layer_norm2 = LayerNorm(config.width, config.eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x), seen)
        return x + self.mlp(self.layer_norm2(x))


class SelfAttention(nn.Module):
    """Multi-head attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise Refused(f"{width} channels do not part into {heads} heads", "check its config", "model")
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.out_proj = Linear(width, width)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """x (B, L, width), seen (L, L) True where a row sees a column -> (B, L, width)"""
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, H, L, D) each
        return self.out_proj(attend(query, key, value, seen).transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, config: CLIPTextConfig) -> None:
        super().__init__()
        self.quick = config.activation == "quick_gelu"
        self.fc1 = Linear(config.width, config.hidden)
        self.fc2 = Linear(config.hidden, config.width)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.fc1(x)
        return self.fc2(inner * torch.sigmoid(1.702 * inner) if self.quick else nn.functional.gelu(inner))
