"""Flux.1 (Black Forest Labs 2024): two streams that attend together, then one stream of text and picture.

A rectified-flow transformer after Esser et al. 2024. Its single-stream blocks compute attention and MLP side by side
(Dehghani et al. 2023), places turn queries and keys (Su et al. 2021), and `dev` reads the guidance it was distilled
with as a number. Parameters have the names of the published single files.
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
from unnoise.nn.native import Linear, native
from unnoise.nn.patch import patchify, unpatchify
from unnoise.nn.rope import axis_turns
from unnoise.nn.view import replaced
from unnoise.nn.zero import zeroed

FREQUENCIES = 256


@dataclass(frozen=True, kw_only=True)
class FluxConfig:
    """Args:
    channels: of the sample.
    patch: the side of a square patch, in samples.
    width, heads: of the transformer.
    depth, singles: how many blocks it has of two streams, and of one.
    context, pooled: the widths of the text's tokens, and of the text as a whole.
    guidance: it reads a guidance number (dev), or does not (schnell).
    axes: the parts of a head that turn by the picture's number, row and column.
    period: the longest wavelength of places, in cells over 2 pi.
    ratio: the MLP's hidden width over the outer one.
    """

    channels: int = 16
    patch: int = 2
    width: int = 3072
    heads: int = 24
    depth: int = 19
    singles: int = 38
    context: int = 4096
    pooled: int = 768
    guidance: bool = True
    axes: tuple[int, int, int] = (16, 56, 56)
    period: float = 10_000.0
    ratio: int = 4


@condition
class FluxCondition(Condition):
    """Text for Flux.

    context: (B, L, context) token vectors. pooled: (B, pooled) the whole text. guidance: (B,) as people say it (3.5),
    where the network reads it. mask: (B, L) True where a token counts, wanted only where lengths differ.
    """

    sequences: ClassVar[dict[str, str]] = {"context": "mask"}
    context: Tensor
    pooled: Tensor
    guidance: Tensor | None = None
    mask: Tensor | None = None


class Flux(nn.Module):
    """x (B, channels, H, W), time (B,) from 0 to 1000, condition -> (B, channels, H, W).

    H and W are multiples of the patch.
    """

    Config = FluxConfig
    Condition = FluxCondition

    def __init__(self, config: FluxConfig) -> None:
        super().__init__()
        self.config = c = config
        if c.heads < 1 or c.width % c.heads or sum(c.axes) * c.heads != c.width or any(n % 2 for n in c.axes):
            what = f"{c.width} channels do not part into {c.heads} heads with the axes {c.axes}"
            raise Refused(what, "check its config", "model")
        self.img_in = Linear(c.channels * c.patch**2, c.width)
        self.txt_in = Linear(c.context, c.width)
        self.time_in = Embedder(FREQUENCIES, c.width)
        self.vector_in = Embedder(c.pooled, c.width)
        self.guidance_in = Embedder(FREQUENCIES, c.width) if c.guidance else None
        self.double_blocks = nn.ModuleList(DoubleBlock(c) for _ in range(c.depth))
        self.single_blocks = nn.ModuleList(SingleBlock(c) for _ in range(c.singles))
        self.final_layer = FinalLayer(c)

    @staticmethod
    def multiple(config: FluxConfig) -> int:
        return config.patch

    def view(self, view: View) -> "Flux":
        """The same network with some of its blocks left out, or their cells blind to each other.

        Layers are counted through both kinds of blocks, those of two streams first.

        Raises:
            Refused: it has no such block.
        """
        count = len(self.double_blocks) + len(self.single_blocks)
        names = [f"double_blocks.{i}" for i in range(len(self.double_blocks))]
        names += [f"single_blocks.{i}" for i in range(len(self.single_blocks))]
        left = {names[i] for i in view.among(count, count // 2)}
        if view.change == "apart":
            return replaced(self, {name: _apart(self.get_submodule(name)) for name in left})
        kept = {
            kind: nn.ModuleList(self.get_submodule(n) for n in names if n.startswith(kind) and n not in left)
            for kind in ("double_blocks", "single_blocks")
        }
        return replaced(self, kept)

    def forward(self, x: Tensor, time: Tensor, condition: FluxCondition) -> Tensor:
        c, size = self.config, (x.shape[2] // self.config.patch, x.shape[3] // self.config.patch)
        given, x = x.dtype, x.to(native(x.device.type, x.dtype))
        vector = self._vector(time, condition, x.dtype)
        cells = self.img_in(patchify(x, c.patch))  # (B, N, D)
        text = self.txt_in(condition.context.to(x.dtype))  # (B, L, D)
        length = text.shape[1]
        seen = text_seen(condition.mask, cells.shape[1])
        turns = axis_turns((1, *size), c.axes, length, c.period, x.device)
        for block in self.double_blocks:
            text, cells = block(text, cells, vector, turns, seen)
        tokens = torch.cat([text, cells], 1)  # (B, L + N, D)
        for block in self.single_blocks:
            tokens = block(tokens, length, vector, turns, seen)
        return unpatchify(self.final_layer(tokens[:, length:], vector), c.patch, size).to(given)

    def _vector(self, time: Tensor, condition: FluxCondition, dtype: torch.dtype) -> Tensor:
        """Time, guidance and the whole text as one vector (B, D)."""
        vector = self.time_in(sinusoidal(time, FREQUENCIES).to(dtype))
        if (condition.guidance is None) is not (self.guidance_in is None):
            wants = "no guidance number" if self.guidance_in is None else "a guidance number, such as 3.5"
            raise Refused("the condition does not suit this Flux", f"it reads {wants}", "guidance")
        if self.guidance_in is not None and condition.guidance is not None:
            vector = vector + self.guidance_in(sinusoidal(1000 * condition.guidance.float(), FREQUENCIES).to(dtype))
        return vector + self.vector_in(condition.pooled.to(dtype))


class DoubleBlock(nn.Module):
    """Text and picture attend together, and each goes through an MLP of its own."""

    def __init__(self, config: FluxConfig) -> None:
        super().__init__()
        self.img_mod, self.txt_mod = Modulation(config.width, 6), Modulation(config.width, 6)
        self.img_attn, self.txt_attn = Projections(config), Projections(config)
        self.img_mlp, self.txt_mlp = _mlp(config), _mlp(config)
        self.apart = False

    def forward(
        self, text: Tensor, cells: Tensor, vector: Tensor, turns: Tensor, seen: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """text (B, L, D), cells (B, N, D), vector (B, D), turns (L + N, d / 2, 2), seen (B, 1, 1, L + N)"""
        of_text, of_cells = self.txt_mod(vector), self.img_mod(vector)
        streams = (
            self.txt_attn.heads_of(modulate(_norm(text), *of_text[:2])),
            self.img_attn.heads_of(modulate(_norm(cells), *of_cells[:2])),
        )
        if self.apart:
            seen = blind_cells(seen, text.shape[1], cells.shape[1], cells.device)
        found_text, found = attend_together(streams, seen, turns)
        cells = torch.addcmul(cells, of_cells[2], self.img_attn.proj(found))
        cells = torch.addcmul(cells, of_cells[5], self.img_mlp(modulate(_norm(cells), *of_cells[3:5])))
        text = torch.addcmul(text, of_text[2], self.txt_attn.proj(found_text))
        text = torch.addcmul(text, of_text[5], self.txt_mlp(modulate(_norm(text), *of_text[3:5])))
        return bounded(text), cells


class SingleBlock(nn.Module):
    """Attention and MLP side by side, over text and picture as one sequence."""

    def __init__(self, config: FluxConfig) -> None:
        super().__init__()
        self.width, self.heads = config.width, config.heads
        hidden = config.ratio * config.width
        self.linear1 = Linear(config.width, 3 * config.width + hidden)
        self.linear2 = Linear(config.width + hidden, config.width)
        self.norm = HeadNorms(config.width // config.heads)
        self.modulation = Modulation(config.width, 3)
        self.apart = False

    def forward(self, tokens: Tensor, length: int, vector: Tensor, turns: Tensor, seen: Tensor | None) -> Tensor:
        """tokens (B, L + N, D) with L the text's `length` -> the same shape"""
        shift, scale, gate = self.modulation(vector)
        fused, hidden = self.linear1(modulate(_norm(tokens), shift, scale)).tensor_split((3 * self.width,), -1)
        if self.apart:
            seen = blind_cells(seen, length, tokens.shape[1] - length, tokens.device)
        [found] = attend_together([self.norm(*split(fused, self.heads))], seen, turns)
        both = torch.cat([found, nn.functional.gelu(hidden, approximate="tanh")], -1)
        return bounded(torch.addcmul(tokens, gate, self.linear2(both)))


class Modulation(nn.Module):
    """A vector (B, D) to shifts, scales and gates, (B, 1, D) each."""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.lin = zeroed(Linear(width, parts * width))

    def forward(self, vector: Tensor) -> tuple[Tensor, ...]:
        return self.lin(nn.functional.silu(vector))[:, None].chunk(self.parts, -1)


class Projections(nn.Module):
    """An attention's layers, but the attending itself."""

    def __init__(self, config: FluxConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = Linear(config.width, 3 * config.width)
        self.norm = HeadNorms(config.width // config.heads)
        self.proj = Linear(config.width, config.width)

    def heads_of(self, x: Tensor) -> Heads:
        """(B, N, D) -> queries, keys and values"""
        return self.norm(*split(self.qkv(x), self.heads))


class HeadNorms(nn.Module):
    """Queries and keys at unit mean square."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query_norm, self.key_norm = Scale(width), Scale(width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Heads:
        return self.query_norm(query), self.key_norm(key), value


class Scale(nn.Module):
    """`nn.norm.RMSNorm` with its weight under the published name."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.rms_norm(x, x.shape[-1:], self.scale.to(x.dtype), 1e-6)


class Embedder(nn.Module):
    """(B, before) -> (B, width), through two layers."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.in_layer = Linear(before, width)
        self.out_layer = Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.out_layer(nn.functional.silu(self.in_layer(x)))


class FinalLayer(nn.Module):
    """Each token to its own patch."""

    def __init__(self, config: FluxConfig) -> None:
        super().__init__()
        self.linear = zeroed(Linear(config.width, config.patch**2 * config.channels))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), zeroed(Linear(config.width, 2 * config.width)))

    def forward(self, tokens: Tensor, vector: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation(vector)[:, None].chunk(2, -1)
        return self.linear(modulate(_norm(tokens), shift, scale))


def _mlp(config: FluxConfig) -> nn.Sequential:
    hidden = config.ratio * config.width
    return nn.Sequential(Linear(config.width, hidden), nn.GELU("tanh"), Linear(hidden, config.width))


def _apart(block: nn.Module) -> nn.Module:
    """The same block, its cells blind to each other."""
    made = replaced(cast(DoubleBlock | SingleBlock, block), {})
    made.apart = True
    return made


def _norm(x: Tensor) -> Tensor:
    return nn.functional.layer_norm(x, x.shape[-1:], eps=1e-6)


network = Flux
