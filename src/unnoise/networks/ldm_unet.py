"""The U-Net of latent diffusion (Rombach et al. 2022): Stable Diffusion 1 and 2, and XL (Podell et al. 2023).

Down through levels of half the size each, through the middle, and up again, where every residual block also sees what
its partner on the way down left. Behind residual blocks stand transformers, which read the text by cross attention.
Parameters have diffusers' names.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from unnoise.core.branch import View
from unnoise.core.condition import Condition, condition
from unnoise.core.error import Refused
from unnoise.nn.attention import attend
from unnoise.nn.conv import channels_last
from unnoise.nn.embed import sinusoidal
from unnoise.nn.gated import GatedMLP
from unnoise.nn.native import Conv2d, LayerNorm, Linear, native
from unnoise.nn.norm import GroupNorm
from unnoise.nn.view import replaced


@dataclass(frozen=True, kw_only=True)
class LDMUNetConfig:
    """Args:
    channels: of the sample.
    extra: channels put beside it: 5 for inpainting (the mask and the masked picture), 4 for instruct-pix2pix.
    widths: channels of each level; each level is half the size of the one before.
    blocks: residual blocks a level, on the way down; one more on the way up.
    depths: of the transformer behind each residual block of a level; 0 for none.
    middle: the depth of the middle's transformer.
    heads: of the attention at each level; the middle has the last level's.
    context: the width of the text's tokens.
    pooled: the width of the vector that tells of text and sizes as a whole; 0 for none.
    linear: whether files hold the transformers' projections as linear layers or as 1 x 1 convolutions.
    groups: of the norms over pictures.
    """

    channels: int = 4
    extra: int = 0
    widths: tuple[int, ...] = (320, 640, 1280, 1280)
    blocks: int = 2
    depths: tuple[int, ...] = (1, 1, 1, 0)
    middle: int = 1
    heads: tuple[int, ...] = (8, 8, 8, 8)
    context: int = 768
    pooled: int = 0
    linear: bool = False
    groups: int = 32

    def __post_init__(self) -> None:
        levels = len(self.widths)
        if not levels or self.blocks < 1 or {len(self.depths), len(self.heads)} != {levels}:
            raise Refused("a U-Net needs a depth and heads for each level, and a block", "check its config", "model")
        for width, heads in zip(self.widths, self.heads, strict=True):
            if heads < 1 or width % heads or not 1 <= self.groups <= 32 or width % self.groups:
                what = f"{width} channels do not part into {heads} heads and {self.groups} groups of at most 32"
                raise Refused(what, "check its config", "model")

    @property
    def vector(self) -> int:
        """The width of what steers the residual blocks."""
        return 4 * self.widths[0]

    @property
    def left(self) -> list[int]:
        """The channels of what the entry and each step of the way down leave for the way up."""
        left = [self.widths[0]]
        for level, width in enumerate(self.widths):
            left += [width] * (self.blocks + (level < len(self.widths) - 1))
        return left


@condition
class LDMUNetCondition(Condition):
    """What the network is told beside the sample.

    context: (B, L, context) token vectors. mask: (B, L) True where a token counts. pooled: (B, pooled) text and sizes
    as a whole. extra: (B, extra, h, w) beside the sample. control: (B, K, 3, H, W) pictures in [0, 1], one for each
    control of a `Controlled` network, which turns them into `residuals`: what is added to each thing left by the way
    down, and last to the middle. positive: (B,) True where the words say what to draw, and not what to lead away from
    or nothing; controls whose findings are averaged act there alone.
    """

    sequences: ClassVar[dict[str, str]] = {"context": "mask"}
    context: Tensor
    mask: Tensor | None = None
    pooled: Tensor | None = None
    extra: Tensor | None = None
    control: Tensor | None = None
    positive: Tensor | None = None
    residuals: tuple[Tensor, ...] | None = None


class LDMUNet(nn.Module):
    """x (B, channels, h, w), time (B,), condition -> (B, channels, h, w), of any size.

    Several guesses at one x differ by their text alone, which first counts behind a convolution, a residual block and
    the widest self-attention there is: a condition of k B samples shares them, and gives (k B, channels, h, w).
    """

    Config = LDMUNetConfig
    Condition = LDMUNetCondition
    shares = True

    def __init__(self, config: LDMUNetConfig) -> None:
        super().__init__()
        c = self.config = config
        self.conv_in = Conv2d(c.channels + c.extra, c.widths[0], 3, padding=1)
        self.time_embedding = Embedding(c.widths[0], c.vector)
        self.add_embedding = Embedding(c.pooled, c.vector) if c.pooled else None
        self.down_blocks = nn.ModuleList(Down(c, level) for level in range(len(c.widths)))
        self.mid_block = Middle(c)
        self.up_blocks = nn.ModuleList(_way_up(c))
        self.conv_norm_out = GroupNorm(c.widths[0], c.widths[0] // c.groups)
        self.conv_out = Conv2d(c.widths[0], c.channels, 3, padding=1)

    @staticmethod
    def multiple(config: LDMUNetConfig) -> int:  # noqa: ARG004  what every architecture is asked
        return 1

    def view(self, view: View) -> "LDMUNet":
        """The same network with some of its transformers left out, or their cells blind to each other.

        They are counted on the way down, in the middle, and on the way up.

        Raises:
            Refused: it has no such transformer.
        """
        found = {n: m for n, m in self.named_modules() if isinstance(m, Transformer)}
        ways = ("down_blocks", "mid_block", "up_blocks")
        names = [name for way in ways for name in found if name.startswith(way)]
        middle = next(i for i, name in enumerate(names) if name.startswith("mid_block"))
        changed = [names[i] for i in view.among(len(names), middle)]
        return replaced(self, {n: Skip() if view.change == "skipped" else _apart(found[n]) for n in changed})

    def forward(self, x: Tensor, time: Tensor, condition: LDMUNetCondition) -> Tensor:
        if condition.control is not None:
            raise Refused("the network takes no control pictures", "attach the ControlNet they are for", "control")
        given, x = x.dtype, x.to(native(x.device.type, x.dtype))
        vector = steered(self, x, spread(time, condition.context), condition)
        context = condition.context.to(x.dtype), condition.mask
        if condition.pooled is not None or condition.extra is not None:  # guesses differ from the start
            x = spread(x, vector)
        x = x if condition.extra is None else torch.cat([x, condition.extra.to(x)], 1)
        left = [spread(kept, vector) for kept in descended(self, channels_last(self.conv_in(x)), vector, context)]
        x = self.mid_block(left[-1], vector, context)
        if condition.residuals is not None:
            *others, last = condition.residuals
            left = [kept + other.to(kept) for kept, other in zip(left, others, strict=True)]
            x = x + last.to(x)
        for up in self.up_blocks:
            x = up(x, vector, context, left)
        return self.conv_out(silu(self.conv_norm_out(x))).to(given)


def spread(x: Tensor, like: Tensor) -> Tensor:
    """x (B, ...) again and again, as long as `like` (k B, ...)"""
    return x if len(x) == len(like) else torch.cat([x] * (len(like) // len(x)))


class Encoder(Protocol):
    """What a U-Net and its ControlNet have in common."""

    time_embedding: "Embedding"
    add_embedding: "Embedding | None"
    down_blocks: nn.ModuleList

    @property
    def config(self) -> LDMUNetConfig: ...


def steered(network: Encoder, x: Tensor, time: Tensor, condition: LDMUNetCondition) -> Tensor:
    """What steers every residual block, (B, V) in x's type: the time, and text and sizes as a whole."""
    vector = network.time_embedding(sinusoidal(time, network.config.widths[0]).to(x.dtype))
    if network.add_embedding is not None:
        if condition.pooled is None:
            raise Refused("the network needs a pooled text and sizes", "use its own conditioner", "prompt")
        vector = vector + network.add_embedding(condition.pooled.to(x.dtype))
    return silu(vector)


def descended(network: Encoder, x: Tensor, vector: Tensor, context: "Context") -> list[Tensor]:
    """What the entry, x, and each step of the way down leave."""
    left = [x]
    for down in network.down_blocks:
        left += down(left[-1], vector, context)
    return left


Context = tuple[Tensor, Tensor | None]
"""Token vectors (B, L, C), and the mask (B, L) of those that count."""


class Embedding(nn.Module):
    """Numbers (B, before) -> (B, after), through two layers."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.linear_1 = Linear(before, after)
        self.linear_2 = Linear(after, after)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(silu(self.linear_1(x)))


class Down(nn.Module):
    """A level on the way down: steps, and a convolution to half the size where another level comes."""

    def __init__(self, c: LDMUNetConfig, level: int) -> None:
        super().__init__()
        before, width = c.widths[max(level - 1, 0)], c.widths[level]
        self.resnets = nn.ModuleList(Residual(c, width if i else before, width) for i in range(c.blocks))
        self.attentions = nn.ModuleList(_transformers(c, level, c.blocks))
        last = level == len(c.widths) - 1
        self.downsamplers = nn.ModuleList([] if last else [Resample(width, stride=2)])

    def forward(self, x: Tensor, vector: Tensor, context: Context) -> list[Tensor]:
        """What each step leaves, the last the largest in depth."""
        left: list[Tensor] = []
        for i, residual in enumerate(self.resnets):
            x = residual(x, vector)
            x = self.attentions[i](x, context) if len(self.attentions) else x
            left.append(x)
        return left + [down(x) for down in self.downsamplers]


class Middle(nn.Module):
    """Residual, transformer, residual, where the picture is smallest."""

    def __init__(self, c: LDMUNetConfig) -> None:
        super().__init__()
        width = c.widths[-1]
        self.resnets = nn.ModuleList(Residual(c, width, width) for _ in range(2))
        self.attentions = nn.ModuleList([Transformer(c, len(c.widths) - 1, c.middle)])

    def forward(self, x: Tensor, vector: Tensor, context: Context) -> Tensor:
        x = self.attentions[0](self.resnets[0](x, vector), context)
        return self.resnets[1](x, vector)


class Up(nn.Module):
    """A level on the way up: steps that also see what the way down left, and twice the size where another level comes.

    Args:
        before: channels of what comes in.
        left: channels of what each step sees beside it.
    """

    def __init__(self, c: LDMUNetConfig, level: int, before: int, left: Sequence[int]) -> None:
        super().__init__()
        width = c.widths[level]
        into = [(width if i else before) + beside for i, beside in enumerate(left)]
        self.resnets = nn.ModuleList(Residual(c, channels, width) for channels in into)
        self.attentions = nn.ModuleList(_transformers(c, level, len(left)))
        self.upsamplers = nn.ModuleList([Resample(width)] if level else [])

    def forward(self, x: Tensor, vector: Tensor, context: Context, left: list[Tensor]) -> Tensor:
        """Takes what it sees off the end of `left`."""
        for i, residual in enumerate(self.resnets):
            x = residual(torch.cat([x, left.pop()], 1), vector)
            x = self.attentions[i](x, context) if len(self.attentions) else x
        for up in self.upsamplers:  # to the size of what comes next: a side that is odd was rounded on the way down
            x = up(nn.functional.interpolate(x, left[-1].shape[2:], mode="nearest"))
        return x


class Residual(nn.Module):
    """Two convolutions, each behind a norm and SiLU; time and text as a whole are added in between."""

    def __init__(self, c: LDMUNetConfig, before: int, after: int) -> None:
        super().__init__()
        self.norm1 = GroupNorm(before, before // c.groups)
        self.conv1 = Conv2d(before, after, 3, padding=1)
        self.time_emb_proj = Linear(c.vector, after)
        self.norm2 = GroupNorm(after, after // c.groups)
        self.conv2 = Conv2d(after, after, 3, padding=1)
        self.conv_shortcut = Conv2d(before, after, 1) if before != after else None

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        """x (B, before, h, w), vector (B, V), or (k B, V) of B that come again -> (B, after, h, w)"""
        inner = self.conv1(silu(self.norm1(x))) + self.time_emb_proj(vector[: len(x)])[:, :, None, None]
        inner = self.conv2(silu(self.norm2(inner)))
        return inner + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class Resample(nn.Module):
    """The convolution that goes with a change of size."""

    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = Conv2d(channels, channels, 3, stride=stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Transformer(nn.Module):
    """Every cell attends to every other one, and to the text, `depth` times over."""

    def __init__(self, c: LDMUNetConfig, level: int, depth: int) -> None:
        super().__init__()
        width = c.widths[level]
        self.norm = GroupNorm(width, width // c.groups, eps=1e-6)
        self.proj_in = Linear(width, width)
        self.transformer_blocks = nn.ModuleList(Block(width, c.heads[level], c.context) for _ in range(depth))
        self.proj_out = Linear(width, width)
        self.apart = False

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """x (B, C, h, w), and a context of k B -> (k B, C, h, w)"""
        tokens = self.proj_in(self.norm(x).flatten(2).transpose(1, 2))  # (B, h w, C)
        for block in self.transformer_blocks:
            tokens = block(tokens, context, self.apart)
        return spread(x, tokens) + self.proj_out(tokens).transpose(1, 2).unflatten(2, x.shape[2:])


class Block(nn.Module):
    """Self-attention, cross attention to the text, and a gated MLP, each behind a layer norm."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (LayerNorm(width) for _ in range(3))
        self.attn1 = Attention(width, heads, width)
        self.attn2 = Attention(width, heads, context)
        self.ff = GatedMLP(width)

    def forward(self, x: Tensor, context: Context, apart: bool) -> Tensor:
        """x (B, N, C), a context of k B -> (k B, N, C); `apart` lets every token see itself alone, and the text"""
        inner = self.norm1(x)
        x = x + (self.attn1.apart(inner) if apart else self.attn1(inner, inner))
        found = self.attn2(self.norm2(x), *context)
        x = spread(x, found) + found
        return x + self.ff(self.norm3(x))


class Attention(nn.Module):
    """Multi-head attention of `width` channels to a sequence of `context` channels."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = Linear(width, width, bias=False)
        self.to_k = Linear(context, width, bias=False)
        self.to_v = Linear(context, width, bias=False)
        self.to_out = nn.ModuleList([Linear(width, width)])

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (B, N, width), context (k B, L, its width), mask (k B, L) -> (k B, N, width)"""
        layers = ((self.to_q, x), (self.to_k, context), (self.to_v, context))
        query, key, value = (layer(seq).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer, seq in layers)
        found = attend(spread(query, key), key, value, None if mask is None else mask[:, None, None])  # (B, H, N, D)
        return self.to_out[0](found.transpose(1, 2).flatten(2))

    def apart(self, x: Tensor) -> Tensor:
        """What comes out where every token sees itself alone: (B, N, width) -> (B, N, width)"""
        return self.to_out[0](self.to_v(x))


class Skip(nn.Module):
    """No transformer, where there was one."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        return x


def silu(x: Tensor) -> Tensor:
    """In place where nothing has to remember x: the memory is warm."""
    return nn.functional.silu(x, inplace=not torch.is_grad_enabled())


def _transformers(c: LDMUNetConfig, level: int, count: int) -> Iterator[Transformer]:
    """One behind each of a level's residual blocks, where it has them."""
    return (Transformer(c, level, c.depths[level]) for _ in range(count if c.depths[level] else 0))


def _way_up(c: LDMUNetConfig) -> Iterator[Up]:
    left, before = c.left, c.widths[-1]
    for level in reversed(range(len(c.widths))):
        yield Up(c, level, before, [left.pop() for _ in range(c.blocks + 1)])
        before = c.widths[level]


def _apart(layer: Transformer) -> Transformer:
    """The same transformer, its cells blind to each other."""
    made = replaced(layer, {})
    made.apart = True
    return made


network = LDMUNet
