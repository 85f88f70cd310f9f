"""The multimodal diffusion transformer of Stable Diffusion 3 (Esser et al. 2024), with what 3.5 added.

Text and picture are two streams with weights of their own that attend together. 3.5 gives queries and keys unit size,
and 3.5 medium gives the picture a second attention, to itself alone, in its first blocks ("MMDiT-X"). Parameters have
the names of the published single files.
"""

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from unnoise.core.branch import View
from unnoise.core.condition import Condition, condition
from unnoise.core.error import Refused
from unnoise.nn.attention import modulate
from unnoise.nn.embed import sinusoidal
from unnoise.nn.half import bounded
from unnoise.nn.joint import Heads, attend_together, blind_cells, split, text_seen
from unnoise.nn.native import Conv2d, Linear, native
from unnoise.nn.norm import RMSNorm
from unnoise.nn.patch import unpatchify
from unnoise.nn.view import replaced
from unnoise.nn.zero import zeroed

FREQUENCIES = 256


@dataclass(frozen=True, kw_only=True)
class MMDiTConfig:
    """Args:
    channels: of the sample.
    patch: the side of a square patch, in samples.
    width, depth, heads: of the transformer.
    context, pooled: the widths of the text's tokens, and of the text as a whole.
    positions: the side of the table of places, in patches; a picture takes its middle.
    normed: queries and keys have unit mean square (3.5).
    dual: the blocks in which the picture attends to itself a second time (3.5 medium).
    ratio: the MLP's hidden width over the outer one.
    """

    channels: int = 16
    patch: int = 2
    width: int = 1536
    depth: int = 24
    heads: int = 24
    context: int = 4096
    pooled: int = 2048
    positions: int = 192
    normed: bool = False
    dual: tuple[int, ...] = ()
    ratio: int = 4


@condition
class MMDiTCondition(Condition):
    """Text for an MMDiT.

    context: (B, L, context) token vectors. pooled: (B, pooled) the whole text. mask: (B, L) True where a token counts,
    wanted only where lengths differ.
    """

    sequences: ClassVar[dict[str, str]] = {"context": "mask"}
    context: Tensor
    pooled: Tensor
    mask: Tensor | None = None


class MMDiT(nn.Module):
    """x (B, channels, H, W), time (B,) from 0 to 1000, condition -> (B, channels, H, W).

    H and W are multiples of the patch, and at most `positions` patches.
    """

    Config = MMDiTConfig
    Condition = MMDiTCondition

    def __init__(self, config: MMDiTConfig) -> None:
        super().__init__()
        self.config = c = config
        if c.heads < 1 or c.width % c.heads:
            raise Refused(f"{c.width} channels do not part into {c.heads} heads", "check its config", "model")
        self.x_embedder = Patches(c)
        self.t_embedder = Embedder(FREQUENCIES, c.width)
        self.y_embedder = Embedder(c.pooled, c.width)
        self.context_embedder = Linear(c.context, c.width)
        self.register_buffer("pos_embed", places(c.positions, c.width))
        self.joint_blocks = nn.ModuleList(JointBlock(c, i in c.dual, i == c.depth - 1) for i in range(c.depth))
        self.final_layer = FinalLayer(c)

    @staticmethod
    def multiple(config: MMDiTConfig) -> int:
        return config.patch

    def view(self, view: View) -> "MMDiT":
        """The same network with some of its blocks left out (skip-layer guidance), or their cells blind to each other.

        Raises:
            Refused: it has no such block.
        """
        layers = view.among(len(self.joint_blocks), len(self.joint_blocks) // 2)
        if view.change == "skipped":
            kept = [block for i, block in enumerate(self.joint_blocks) if i not in layers]
            return replaced(self, {"joint_blocks": nn.ModuleList(kept)})
        return replaced(self, {f"joint_blocks.{i}": _apart(cast(JointBlock, self.joint_blocks[i])) for i in layers})

    def forward(self, x: Tensor, time: Tensor, condition: MMDiTCondition) -> Tensor:
        size = (x.shape[2] // self.config.patch, x.shape[3] // self.config.patch)
        given, x = x.dtype, x.to(native(x.device.type, x.dtype))
        vector = self.t_embedder(sinusoidal(time, FREQUENCIES).to(x.dtype))
        vector = vector + self.y_embedder(condition.pooled.to(x.dtype))
        cells = self.x_embedder(x) + self._places(size).to(x.dtype)  # (B, N, D)
        text: Tensor | None = self.context_embedder(condition.context.to(x.dtype))  # (B, L, D)
        seen = text_seen(condition.mask, cells.shape[1])
        for block in self.joint_blocks:
            text, cells = block(text, cells, vector, seen)
        return self.final_layer(cells, vector, size).to(given)

    def _places(self, size: tuple[int, int]) -> Tensor:
        """The middle of the table, (1, h w, D)."""
        side = self.config.positions
        if max(size) > side:
            most = side * self.config.patch
            raise Refused(
                f"a sample of {max(size) * self.config.patch} cells", f"the model takes up to {most}", "width"
            )
        top, left = (side - size[0]) // 2, (side - size[1]) // 2
        table = cast(Tensor, self.pos_embed).unflatten(1, (side, side))
        return table[:, top : top + size[0], left : left + size[1]].flatten(1, 2)


class JointBlock(nn.Module):
    """Text and picture attend together, and each goes through an MLP of its own.

    In the last block the text is only looked at.
    """

    def __init__(self, config: MMDiTConfig, dual: bool, last: bool) -> None:
        super().__init__()
        self.context_block = Stream(config, dual=False, seen_only=last)
        self.x_block = Stream(config, dual)
        self.apart = False

    def forward(self, text: Tensor, cells: Tensor, vector: Tensor, seen: Tensor | None) -> tuple[Tensor | None, Tensor]:
        """text (B, L, D), cells (B, N, D), vector (B, D), seen (B, 1, 1, L + N) -> text, None after the last; cells"""
        of_text, of_cells = self.context_block.steering(vector), self.x_block.steering(vector)
        plain = _norm(cells)
        streams = (
            self.context_block.attn.heads_of(modulate(_norm(text), *of_text[:2])),
            self.x_block.attn.heads_of(modulate(plain, *of_cells[:2])),
        )
        if self.apart:
            seen = blind_cells(seen, text.shape[1], cells.shape[1], cells.device)
        found_text, found = attend_together(streams, seen)
        cells = torch.addcmul(cells, of_cells[2], self.x_block.attn.proj(found))
        if self.x_block.attn2 is not None:
            cells = torch.addcmul(cells, of_cells[8], self._again(modulate(plain, *of_cells[6:8])))
        cells = self.x_block.through_mlp(cells, of_cells)
        if self.context_block.mlp is None:
            return None, cells
        text = torch.addcmul(text, of_text[2], self.context_block.attn.proj(found_text))
        return bounded(self.context_block.through_mlp(text, of_text)), cells

    def _again(self, cells: Tensor) -> Tensor:
        """The picture's attention to itself alone."""
        layer = cast(Projections, self.x_block.attn2)
        heads = layer.heads_of(cells)
        return layer.proj(heads[2].flatten(2) if self.apart else attend_together([heads])[0])


class Stream(nn.Module):
    """What a block has for one stream: modulation, projections and an MLP.

    Args:
        dual: it attends to itself a second time.
        seen_only: nothing comes out, so it has no more than queries, keys and values.
    """

    def __init__(self, config: MMDiTConfig, dual: bool, seen_only: bool = False) -> None:
        super().__init__()
        width = config.width
        self.parts = 2 if seen_only else 9 if dual else 6
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), zeroed(Linear(width, self.parts * width)))
        self.attn = Projections(config, seen_only)
        self.attn2 = Projections(config) if dual else None
        self.mlp = None if seen_only else MLP(width, config.ratio * width)

    def steering(self, vector: Tensor) -> tuple[Tensor, ...]:
        """(B, D) -> shift, scale and gate for attention, for the MLP, for the second attention; (B, 1, D) each"""
        return self.adaLN_modulation(vector)[:, None].chunk(self.parts, -1)

    def through_mlp(self, x: Tensor, steering: tuple[Tensor, ...]) -> Tensor:
        """(B, N, D) -> (B, N, D)"""
        shift, scale, gate = steering[3:6]
        return torch.addcmul(x, gate, cast(MLP, self.mlp)(modulate(_norm(x), shift, scale)))


class Projections(nn.Module):
    """An attention's layers, but the attending itself."""

    def __init__(self, config: MMDiTConfig, seen_only: bool = False) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = Linear(config.width, 3 * config.width)
        self.proj = nn.Identity() if seen_only else Linear(config.width, config.width)
        self.ln_q = RMSNorm(config.width // config.heads) if config.normed else None
        self.ln_k = RMSNorm(config.width // config.heads) if config.normed else None

    def heads_of(self, x: Tensor) -> Heads:
        """(B, N, D) -> queries, keys and values"""
        query, key, value = split(self.qkv(x), self.heads)
        if self.ln_q is not None and self.ln_k is not None:
            query, key = self.ln_q(query), self.ln_k(key)
        return query, key, value


class MLP(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = Linear(width, hidden)
        self.fc2 = Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)"""
        return self.fc2(nn.functional.gelu(self.fc1(x), approximate="tanh"))


class Patches(nn.Module):
    """(B, channels, H, W) -> (B, H W / patch², D)"""

    def __init__(self, config: MMDiTConfig) -> None:
        super().__init__()
        self.proj = Conv2d(config.channels, config.width, config.patch, stride=config.patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class Embedder(nn.Module):
    """(B, before) -> (B, width), through two layers."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(Linear(before, width), nn.SiLU(), Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x)


class FinalLayer(nn.Module):
    """Each token to its own patch, cell by cell, the channels of each cell side by side."""

    def __init__(self, config: MMDiTConfig) -> None:
        super().__init__()
        self.patch, self.channels = config.patch, config.channels
        self.linear = zeroed(Linear(config.width, config.patch**2 * config.channels))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), zeroed(Linear(config.width, 2 * config.width)))

    def forward(self, tokens: Tensor, vector: Tensor, size: tuple[int, int]) -> Tensor:
        shift, scale = self.adaLN_modulation(vector)[:, None].chunk(2, -1)
        patches = self.linear(modulate(_norm(tokens), shift, scale))
        patches = patches.unflatten(-1, (-1, self.channels)).transpose(-1, -2).flatten(-2)  # (B, N, C p q)
        return unpatchify(patches, self.patch, size)


def places(side: int, width: int) -> Tensor:
    """Sinusoids of the column and of the row of every place of a square, (1, side², width) float32."""
    if torch.get_default_device().type == "meta":  # a file has them; torch loads a thousand modules to reckon there
        return torch.empty(1, side**2, width)
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    half = width // 2
    return torch.cat([sinusoidal(columns.flatten(), half), sinusoidal(rows.flatten(), half)], 1)[None]


def _apart(block: JointBlock) -> JointBlock:
    """The same block, its cells blind to each other."""
    made = replaced(block, {})
    made.apart = True
    return made


def _norm(x: Tensor) -> Tensor:
    return nn.functional.layer_norm(x, x.shape[-1:], eps=1e-6)


network = MMDiT
