"""A U-Net of residual blocks, with the options of ADM and EDM.

The network of Ho et al. 2020, as Dhariwal and Nichol 2021 (appendix A) and Karras et al. 2022 (appendix F.2) have it.
Down through levels of half the size each, through the middle, and up again, where every block also sees what its
partner on the way down left. Time, class and the text as a whole steer each residual block; the text's tokens come in
by cross attention, wherever there is attention.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from unnoise.core.branch import View
from unnoise.core.condition import Condition, condition
from unnoise.core.error import Refused
from unnoise.nn.attention import Attention
from unnoise.nn.conv import Resample, Way, channels_last, double, halve
from unnoise.nn.embed import TimeEmbedding
from unnoise.nn.norm import GroupNorm
from unnoise.nn.view import replaced
from unnoise.nn.zero import zeroed


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Args:
    channels: of the sample.
    width: channels of the first level.
    multipliers: what each level's channels are over the width; each level is half the size of the one before.
    blocks: residual blocks a level, on the way down; one more on the way up.
    attention: the factors by which the picture is shrunk (1, 2, 4, ...) where there is attention; the middle has it.
    head_width: of one attention head.
    classes: how many there are; label `classes`, one past the last, is no class at all.
    context: the width of the text's tokens; 0 for none.
    group_width: the least channels of a norm's group; 16 lets a CPU compute bfloat16 in a layout that is faster.
    modulation: what time and class do in a block: scale and shift its features, or add to them.
    resample: by a convolution of its own, or within a residual block.
    rescale: divide every sum of two branches by the square root of 2, so that variance stays (EDM).
    dropout: in the residual blocks, in training.
    """

    channels: int = 3
    width: int = 128
    multipliers: tuple[int, ...] = (1, 2, 2, 2)
    blocks: int = 2
    attention: tuple[int, ...] = (2, 4)
    head_width: int = 64
    group_width: int = 4
    classes: int = 0
    context: int = 0
    modulation: Literal["scale_shift", "add"] = "scale_shift"
    resample: Literal["conv", "block"] = "block"
    rescale: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        factors = [2**level for level in range(len(self.multipliers))]
        if not factors or self.blocks < 1:
            raise Refused("a U-Net needs a level and a block", "give multipliers and at least one block", "network")
        if unknown := set(self.attention) - set(factors):
            raise Refused(f"no level is shrunk by {min(unknown)}", f"one of {factors}", "attention")
        attended = [self.width * m for level, m in enumerate(self.multipliers) if self.attends(level)]
        attended.append(self.width * self.multipliers[-1])  # the middle
        if odd := [channels for channels in attended if channels % self.heads(channels)]:
            raise Refused(
                f"{odd[0]} channels do not split into heads of {self.head_width}", "take a divisor", "head_width"
            )

    def attends(self, level: int) -> bool:
        return 2**level in self.attention

    def heads(self, channels: int) -> int:
        return max(1, channels // self.head_width)

    @property
    def vector(self) -> int:
        """The width of what steers the blocks."""
        return 4 * self.width


@condition
class UNetCondition(Condition):
    """A class or a text for a U-Net.

    label: (B,) int64, from 0 to `classes`. context: (B, L, context) token vectors. mask: (B, L) True where a token
    counts. pooled: (B, context) the whole text.
    """

    sequences: ClassVar[dict[str, str]] = {"context": "mask"}
    label: Tensor | None = None
    context: Tensor | None = None
    mask: Tensor | None = None
    pooled: Tensor | None = None


class UNet(nn.Module):
    """x (B, channels, H, W), time (B,), condition -> (B, channels, H, W); H and W multiples of `multiple(config)`."""

    Config = UNetConfig
    Condition = UNetCondition

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        c = self.config = config
        first, last = c.width * c.multipliers[0], c.width * c.multipliers[-1]
        self.time = TimeEmbedding(c.vector)
        self.label = nn.Embedding(c.classes + 1, c.vector) if c.classes else None
        self.pooled = nn.Linear(c.context, c.vector) if c.context else None
        self.enter = nn.Conv2d(c.channels, c.width, 3, padding=1)
        self.down = nn.ModuleList(_way_down(c))
        self.middle = nn.ModuleList([Step(c, last, last, attends=True), Step(c, last, last, attends=False)])
        self.up = nn.ModuleList(_way_up(c))
        self.norm = GroupNorm(first, c.group_width)
        self.leave = zeroed(nn.Conv2d(first, c.channels, 3, padding=1))

    @staticmethod
    def multiple(config: UNetConfig) -> int:
        return 2 ** (len(config.multipliers) - 1)

    def view(self, view: View) -> "UNet":
        """The same network with some of its attention layers left out, or their cells blind to each other.

        They are counted on the way down, in the middle, and on the way up.

        Raises:
            Refused: it has no such layer.
        """
        ways = ("down", "middle", "up")
        steps = [(f"{way}.{i}", step) for way in ways for i, step in enumerate(getattr(self, way))]
        found = {name: step.attend for name, step in steps if isinstance(step, Step) and step.attend is not None}
        names = list(found)
        changed = [names[i] for i in view.among(len(names), names.index("middle.0"))]
        other = Skip() if view.change == "skipped" else None
        return replaced(self, {f"{name}.attend": other or _apart(found[name]) for name in changed})

    def forward(self, x: Tensor, time: Tensor, condition: UNetCondition) -> Tensor:
        vector = self._vector(time, condition)  # (B, V)
        context, mask = condition.context, condition.mask
        x = self.enter(x)  # (B, C, H, W)
        # With channels side by side a CPU trains a fifth to a third faster in bfloat16, but for its group norm: that is
        # then ten times slower where a group has fewer than 16 channels (torch 2.13).
        x = channels_last(x) if self.config.group_width >= 16 else x
        left = [x]
        for step in self.down:
            x = step(x, vector, context, mask)
            left.append(x)
        for step in self.middle:
            x = step(x, vector, context, mask)
        for step in self.up:
            x = x if isinstance(step, Resize) else torch.cat([x, left.pop()], 1)
            x = step(x, vector, context, mask)
        return self.leave(nn.functional.silu(self.norm(x)))

    def _vector(self, time: Tensor, condition: UNetCondition) -> Tensor:
        """What steers every block: the time, and the class or the text as a whole."""
        vector = self.time(time)
        if self.label is not None:
            none = torch.full_like(time, self.config.classes, dtype=torch.int64)
            vector = vector + self.label(none if condition.label is None else condition.label)
        if self.pooled is not None and condition.pooled is not None:
            vector = vector + self.pooled(condition.pooled)
        return nn.functional.silu(vector)


class Step(nn.Module):
    """A residual block, and attention where its level has it."""

    def __init__(self, config: UNetConfig, before: int, after: int, attends: bool) -> None:
        super().__init__()
        self.residual = Residual(config, before, after)
        self.attend = Attend(config, after) if attends else None

    def forward(self, x: Tensor, vector: Tensor, context: Tensor | None, mask: Tensor | None) -> Tensor:
        x = self.residual(x, vector)
        return x if self.attend is None else self.attend(x, context, mask)


class Resize(nn.Module):
    """From one level to the next, half or twice the size."""

    def __init__(self, config: UNetConfig, channels: int, way: Way) -> None:
        super().__init__()
        block = config.resample == "block"
        self.through = Residual(config, channels, channels, way) if block else Resample(channels, way)

    def forward(self, x: Tensor, vector: Tensor, context: Tensor | None, mask: Tensor | None) -> Tensor:
        return self.through(x, vector) if isinstance(self.through, Residual) else self.through(x)


class Residual(nn.Module):
    """Two convolutions, each behind a norm and SiLU, steered in between; a `way` resizes before the first."""

    def __init__(self, config: UNetConfig, before: int, after: int, way: Way | None = None) -> None:
        super().__init__()
        self.resized = {"down": halve, "up": double, None: _as_it_is}[way]
        self.scales, self.rescale = config.modulation == "scale_shift", config.rescale
        self.first_norm = GroupNorm(before, config.group_width)
        self.first = nn.Conv2d(before, after, 3, padding=1)
        self.steer = nn.Linear(config.vector, 2 * after if self.scales else after)
        self.second_norm = GroupNorm(after, config.group_width)
        self.dropout = nn.Dropout(config.dropout)
        self.second = zeroed(nn.Conv2d(after, after, 3, padding=1))
        self.skip = nn.Conv2d(before, after, 1) if before != after else None

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        """x (B, before, H, W), vector (B, V) -> (B, after, H, W), resized"""
        inner = self.first(self.resized(nn.functional.silu(self.first_norm(x))))
        steer = self.steer(vector)[:, :, None, None]
        if self.scales:
            scale, shift = steer.chunk(2, 1)
            inner = torch.addcmul(shift, self.second_norm(inner), 1 + scale)
        else:
            inner = self.second_norm(inner + steer)
        inner = self.second(self.dropout(nn.functional.silu(inner)))
        x = self.resized(x)
        x = x if self.skip is None else self.skip(x)
        return together(x, inner, self.rescale)


class Attend(nn.Module):
    """Every cell attends to every other one, and to the text."""

    def __init__(self, config: UNetConfig, channels: int) -> None:
        super().__init__()
        heads, self.rescale = config.heads(channels), config.rescale
        self.norm = GroupNorm(channels, config.group_width)
        self.attention = Attention(channels, heads)
        zeroed(self.attention.out)
        self.cross_norm = GroupNorm(channels, config.group_width) if config.context else None
        self.cross = Attention(channels, heads, config.context) if config.context else None
        if self.cross is not None:
            zeroed(self.cross.out)
        self.apart = False

    def forward(self, x: Tensor, context: Tensor | None, mask: Tensor | None) -> Tensor:
        """x (B, C, H, W), context (B, L, its width), mask (B, L) -> (B, C, H, W)"""
        attention = self.attention.apart if self.apart else self.attention
        x = together(x, _as_picture(attention(_as_tokens(self.norm(x))), x), self.rescale)
        if self.cross is None or self.cross_norm is None or context is None:
            return x
        found = self.cross(_as_tokens(self.cross_norm(x)), context, mask)
        return together(x, _as_picture(found, x), self.rescale)


class Skip(nn.Module):
    """No attention, where there was some."""

    def forward(self, x: Tensor, context: Tensor | None, mask: Tensor | None) -> Tensor:
        return x


def _apart(layer: Attend) -> Attend:
    """The same attention, its cells blind to each other."""
    made = replaced(layer, {})
    made.apart = True
    return made


def _way_down(c: UNetConfig) -> Iterator[nn.Module]:
    before = c.width
    for level, multiplier in enumerate(c.multipliers):
        for _ in range(c.blocks):
            yield Step(c, before, before := c.width * multiplier, c.attends(level))
        if level < len(c.multipliers) - 1:
            yield Resize(c, before, "down")


def _way_up(c: UNetConfig) -> Iterator[nn.Module]:
    left, before = _left(c), c.width * c.multipliers[-1]
    for level, multiplier in reversed(list(enumerate(c.multipliers))):
        for _ in range(c.blocks + 1):
            yield Step(c, before + left.pop(), before := c.width * multiplier, c.attends(level))
        if level:
            yield Resize(c, before, "up")


def _left(c: UNetConfig) -> list[int]:
    """The channels of what the entry and each step of the way down leave for the way up."""
    left = [c.width]
    for level, multiplier in enumerate(c.multipliers):
        left += [c.width * multiplier] * (c.blocks + (level < len(c.multipliers) - 1))
    return left


def together(x: Tensor, branch: Tensor, rescale: bool) -> Tensor:
    """The sum of two branches, of the variance of each where it is rescaled."""
    return (x + branch) * 0.5**0.5 if rescale else x + branch


def _as_tokens(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H W, C)"""
    return x.flatten(2).transpose(1, 2)


def _as_picture(tokens: Tensor, like: Tensor) -> Tensor:
    """(B, H W, C) -> (B, C, H, W)"""
    return tokens.transpose(1, 2).unflatten(2, like.shape[2:])


def _as_it_is(x: Tensor) -> Tensor:
    return x


network = UNet
