"""A small transformer that reads prompts, trained together with the network it conditions.

A prompt longer than one window is read window by window and the results are laid end to end: no word is dropped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unnoise.core.condition import Condition
from unnoise.core.error import Refused
from unnoise.core.model import Wish
from unnoise.nn.attention import Attention
from unnoise.nn.mlp import MLP
from unnoise.nn.rope import grid_angles
from unnoise.text._stranger import encoded, read_tokenizer
from unnoise.text._vocabulary import BEGIN, END, PAD


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Args:
    vocabulary: how many tokens there are.
    window: tokens read at once, the two marks included.
    width, depth, heads: of the transformer.
    """

    vocabulary: int = 4096
    window: int = 32
    width: int = 256
    depth: int = 4
    heads: int = 4


class Tokens(NamedTuple):
    """Token numbers (B, L) and which of them count (B, L); L is at most one window, or a multiple of it."""

    ids: Tensor
    mask: Tensor


class TransformerConditioner(nn.Module):
    """Prompts -> a condition with `context` (B, L, width), `mask` (B, L) and `pooled` (B, width).

    Args:
        config: its sizes.
        vocabulary: the tokenizer, as JSON.
        make: the network's condition class.

    Raises:
        Refused: the tokenizer is damaged, or has more tokens than the config says.
    """

    Config = TransformerConfig

    def __init__(self, config: TransformerConfig, vocabulary: str, make: Callable[..., Condition]) -> None:
        super().__init__()
        self.config, self.vocabulary, self.make = config, vocabulary, make
        self.tokenizer = read_tokenizer(vocabulary, "the model's vocabulary")
        if max([END, *self.tokenizer.get_vocab().values()]) >= config.vocabulary:
            raise Refused("the model's vocabulary has tokens that it does not know", "the file is damaged", "model")
        self.tokenizer.encode_special_tokens = True  # a prompt that holds "<pad>" means these five letters
        self.words = nn.Embedding(config.vocabulary, config.width)
        nn.init.normal_(self.words.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)

    def prepare(self, wishes: Sequence[Wish]) -> Tokens:
        """Tokens of every wish's prompt, padded to the longest (to a multiple of eight within one window)."""
        rows = [self._windows(wish.prompt) for wish in wishes]
        longest = max(map(len, rows))
        window = self.config.window
        length = -(-longest // window) * window if longest > window else min(-(-longest // 8) * 8, window)
        ids = torch.tensor([row + [PAD] * (length - len(row)) for row in rows])
        return Tokens(ids, ids != PAD)

    def forward(self, tokens: Tokens) -> Condition:
        device = self.words.weight.device
        ids, mask = tokens.ids.to(device), tokens.mask.to(device)
        batch, length = ids.shape
        window = min(length, self.config.window)
        x = self.words(ids.reshape(-1, window))  # (B W, window, D)
        angles = grid_angles((window,), self.config.width // self.config.heads)
        # A window of nothing but padding would attend to nothing and give NaN: it sees its first token instead.
        seen = mask.reshape(-1, window).clone()
        seen[:, 0] = True
        for block in self.blocks:
            x = block(x, seen, angles)
        context = self.norm(x).reshape(batch, length, -1)
        counted = mask[..., None].to(context.dtype)
        pooled = (context * counted).sum(1) / counted.sum(1)
        return self.make(context=context, mask=mask, pooled=pooled)

    def count(self, prompt: str) -> int:
        """How many tokens a prompt has, marks included."""
        return len(self._windows(prompt))

    def _windows(self, prompt: str) -> list[int]:
        """Begin, tokens, end; a long prompt as whole windows, each with its own marks."""
        ids = encoded(self.tokenizer, prompt)
        room = self.config.window - 2
        pieces = [ids[i : i + room] for i in range(0, len(ids), room)] or [[]]
        rows = [[BEGIN, *piece, END] for piece in pieces]
        if len(rows) == 1:
            return rows[0]
        return [i for row in rows for i in row + [PAD] * (self.config.window - len(row))]


class Block(nn.Module):
    """Attention and an MLP, each behind a layer norm."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention = Attention(config.width, config.heads)
        self.mlp_norm = nn.LayerNorm(config.width)
        self.mlp = MLP(config.width)

    def forward(self, x: Tensor, mask: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
        x = x + self.attention(self.attention_norm(x), mask=mask, angles=angles)
        return x + self.mlp(self.mlp_norm(x))


conditioner: Any = TransformerConditioner
