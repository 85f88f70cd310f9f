"""A diffusion transformer (Peebles and Xie 2023): patches as tokens, adaLN-zero, QK-norm, rotary positions.

Text comes in by `joint` attention, its tokens in one sequence with the picture's and sharing their weights (as in
Flux's single-stream blocks), or by `cross` attention, a layer of its own in every block (PixArt, Chen et al. 2024).
Modulation is one network's for all blocks plus a learned offset for each (PixArt's adaLN-single), or one network a
block.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from unnoise.core.branch import View
from unnoise.core.condition import Condition, condition
from unnoise.nn.attention import Attention, modulate
from unnoise.nn.embed import TimeEmbedding
from unnoise.nn.mlp import MLP
from unnoise.nn.patch import patchify, unpatchify
from unnoise.nn.rope import grid_angles
from unnoise.nn.view import replaced
from unnoise.nn.zero import zeroed


@dataclass(frozen=True, kw_only=True)
class DiTConfig:
    """Args:
    channels: of the sample.
    patch: the side of a square patch, in samples.
    width, depth, heads: of the transformer.
    context: the width of the text's tokens; 0 for none.
    attention: how text comes in.
    modulation: one network for all blocks (`shared`), or one a block.
    ratio: the MLP's hidden width over the outer one.
    head: what turns tokens into patches: `linear`, or `conv`, which smooths over their seams as well.
    head_channels: of the `conv` head.
    dropout: on the MLPs, in training.
    """

    channels: int = 3
    patch: int = 8
    width: int = 384
    depth: int = 12
    heads: int = 6
    context: int = 256
    attention: Literal["joint", "cross"] = "joint"
    modulation: Literal["shared", "block"] = "shared"
    ratio: float = 4.0
    head: Literal["linear", "conv"] = "linear"
    head_channels: int = 24
    dropout: float = 0.0


@condition
class DiTCondition(Condition):
    """Text for a DiT.

    context: (B, L, context) token vectors. mask: (B, L) True where a token counts. pooled: (B, context) the whole text.
    """

    sequences: ClassVar[dict[str, str]] = {"context": "mask"}
    context: Tensor | None = None
    mask: Tensor | None = None
    pooled: Tensor | None = None


class DiT(nn.Module):
    """x (B, channels, H, W), time (B,), condition -> (B, channels, H, W); H and W are multiples of the patch."""

    Config = DiTConfig
    Condition = DiTCondition

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        c = config
        self.patches = nn.Linear(c.channels * c.patch**2, c.width)
        self.time = TimeEmbedding(c.width)
        if c.context:
            self.pooled = nn.Linear(c.context, c.width)
        if c.context and c.attention == "joint":
            self.words = nn.Linear(c.context, c.width)
        self.modulation = nn.Linear(c.width, 6 * c.width) if c.modulation == "shared" else None
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.depth))
        self.head = (LinearHead if c.head == "linear" else ConvHead)(c)
        self._initialise()

    @staticmethod
    def multiple(config: DiTConfig) -> int:
        return config.patch

    def view(self, view: View) -> "DiT":
        """The same network with some of its blocks left out, or their patches blind to each other.

        Raises:
            Refused: it has no such block.
        """
        layers = view.among(len(self.blocks), len(self.blocks) // 2)
        if view.change == "skipped":
            kept = [block for i, block in enumerate(self.blocks) if i not in layers]
            return replaced(self, {"blocks": nn.ModuleList(kept)})
        return replaced(self, {f"blocks.{i}": _apart(cast(Block, self.blocks[i])) for i in layers})

    def forward(self, x: Tensor, time: Tensor, condition: DiTCondition) -> Tensor:
        size = (x.shape[2] // self.config.patch, x.shape[3] // self.config.patch)
        tokens = self.patches(patchify(x, self.config.patch))  # (B, N, D)
        vector = self.time(time)
        if condition.pooled is not None:
            vector = vector + self.pooled(condition.pooled)
        vector = nn.functional.silu(vector)
        tokens = self._through_blocks(tokens, vector, condition, size)
        return self.head(tokens, vector, size)

    def _through_blocks(self, tokens: Tensor, vector: Tensor, condition: DiTCondition, size: tuple[int, int]) -> Tensor:
        angles = grid_angles(size, self.config.width // self.config.heads)
        context, mask, count = condition.context, condition.mask, tokens.shape[1]
        joint = context is not None and self.config.attention == "joint"
        if joint:
            tokens = torch.cat([tokens, self.words(context)], 1)  # (B, N + L, D)
            angles = still_after(angles, tokens.shape[1] - count)
            mask = None if mask is None else torch.cat([mask.new_ones(len(mask), count), mask], 1)
            context = None
        shared = vector if self.modulation is None else self.modulation(vector)
        for block in self.blocks:
            tokens = block(tokens, shared, context, mask, angles, count)
        return tokens[:, :count]

    def _initialise(self) -> None:
        """Xavier for the blocks' layers, zeros where adaLN-zero wants every block to start as nothing."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for linear in (m for m in (self.time.first, self.time.second)):
            nn.init.normal_(linear.weight, std=0.02)
        for block in self.modules():
            if isinstance(block, Block):
                block.begin_as_nothing()
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
        self.head.begin_as_nothing()


class Block(nn.Module):
    """Attention and an MLP, each shifted, scaled and gated by the time and the text as a whole."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        width = config.width
        self.attention = Attention(width, config.heads)
        self.cross = Attention(width, config.heads, config.context) if _crosses(config) else None
        self.mlp = MLP(width, config.ratio)
        self.dropout = nn.Dropout(config.dropout)
        self.modulation = nn.Linear(width, 6 * width) if config.modulation == "block" else None
        self.offset = nn.Parameter(torch.zeros(6 * width)) if config.modulation == "shared" else None
        self.apart = False

    def forward(
        self,
        x: Tensor,
        vector: Tensor,
        context: Tensor | None,
        mask: Tensor | None,
        angles: tuple[Tensor, Tensor],
        count: int,
    ) -> Tensor:
        """x (B, N + L, D), the picture's `count` tokens first; mask of the tokens it holds, or of the context."""
        parts = vector if self.modulation is None else self.modulation(vector)
        parts = parts if self.offset is None else parts + self.offset
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = parts[:, None].chunk(6, -1)
        inner = modulate(_norm(x), shift, scale)
        x = x + gate * self._attended(inner, mask if self.cross is None else None, angles, count)
        if self.cross is not None and context is not None:
            x = x + self.cross(_norm(x), context, mask)
        return x + mlp_gate * self.dropout(self.mlp(modulate(_norm(x), mlp_shift, mlp_scale)))

    def _attended(self, x: Tensor, mask: Tensor | None, angles: tuple[Tensor, Tensor], count: int) -> Tensor:
        if self.apart and count == x.shape[1]:
            return self.attention.apart(x)
        return self.attention(x, mask=_blind(x, mask, count) if self.apart else mask, angles=angles)

    def begin_as_nothing(self) -> None:
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
        if self.cross is not None:
            nn.init.zeros_(self.cross.out.weight)


class LinearHead(nn.Module):
    """Each token to its own patch."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.patch = config.patch
        self.modulation = nn.Linear(config.width, 2 * config.width)
        self.out = nn.Linear(config.width, config.channels * config.patch**2)

    def forward(self, tokens: Tensor, vector: Tensor, size: tuple[int, int]) -> Tensor:
        shift, scale = self.modulation(vector)[:, None].chunk(2, -1)
        return unpatchify(self.out(modulate(_norm(tokens), shift, scale)), self.patch, size)

    def begin_as_nothing(self) -> None:
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.out.weight)


class ConvHead(nn.Module):
    """Each token to a patch of features, and two convolutions over the whole picture."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.patch, width = config.patch, config.head_channels
        self.modulation = nn.Linear(config.width, 2 * config.width)
        self.out = nn.Linear(config.width, width * config.patch**2)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, config.channels, 3, padding=1)

    def forward(self, tokens: Tensor, vector: Tensor, size: tuple[int, int]) -> Tensor:
        shift, scale = self.modulation(vector)[:, None].chunk(2, -1)
        features = unpatchify(self.out(modulate(_norm(tokens), shift, scale)), self.patch, size)
        features = features + self.first(nn.functional.silu(features))
        return self.second(nn.functional.silu(features))

    def begin_as_nothing(self) -> None:
        nn.init.zeros_(self.modulation.weight)
        zeroed(self.second)


def still_after(angles: tuple[Tensor, Tensor], extra: int) -> tuple[Tensor, Tensor]:
    """Angles for `extra` more tokens that do not turn."""
    cos, sin = angles
    return torch.cat([cos, cos.new_ones(extra, cos.shape[1])]), torch.cat([sin, sin.new_zeros(extra, sin.shape[1])])


def _apart(block: Block) -> Block:
    """The same block, its patches blind to each other."""
    made = replaced(block, {})
    made.apart = True
    return made


def _blind(x: Tensor, mask: Tensor | None, count: int) -> Tensor:
    """Whom tokens see, (B, N, N), where the first `count` see the later ones and, among the first, themselves alone."""
    seen = torch.ones(len(x), x.shape[1], x.shape[1], dtype=torch.bool, device=x.device)
    seen[:, :count, :count] = torch.eye(count, dtype=torch.bool, device=x.device)
    return seen if mask is None else seen & mask[:, None]


def _norm(x: Tensor) -> Tensor:
    return nn.functional.layer_norm(x, x.shape[-1:], eps=1e-6)


def _crosses(config: DiTConfig) -> bool:
    return bool(config.context) and config.attention == "cross"


network = DiT
