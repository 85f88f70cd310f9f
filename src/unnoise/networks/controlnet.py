"""ControlNet (Zhang et al. 2023): a copy of a latent-diffusion U-Net's way down that also sees a picture.

What each of its steps finds goes through a convolution of its own and is added to what the U-Net's way down leaves.
Parameters have diffusers' names. `Controlled` is a network with ControlNets attached.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import cast

import torch
from torch import Tensor, nn

from unnoise.core.branch import View, Viewable
from unnoise.core.clock import Clock
from unnoise.core.denoiser import Network
from unnoise.core.error import Refused
from unnoise.core.level import Level
from unnoise.core.trajectory import Trajectory
from unnoise.networks.ldm_unet import (
    Down,
    Embedding,
    LDMUNetCondition,
    LDMUNetConfig,
    Middle,
    descended,
    silu,
    steered,
)
from unnoise.nn.conv import channels_last
from unnoise.nn.native import Conv2d, native

Residuals = tuple[Tensor, ...]
"""What is added to each thing that a U-Net's way down leaves, and last to its middle."""


@dataclass(frozen=True, kw_only=True)
class ControlNetConfig(LDMUNetConfig):
    """Its U-Net's config, and:

    Args:
        hint: channels of the picture's convolutions; each after the first is at half the size of the one before.
        averaged: what it finds is the same for all cells, their mean.
    """

    hint: tuple[int, ...] = (16, 32, 96, 256)
    averaged: bool = False

    @property
    def scale(self) -> int:
        """The picture's side over the sample's."""
        return 2 ** (len(self.hint) - 1)


class ControlNet(nn.Module):
    """x (B, channels, h, w), time (B,), condition, picture (B, 3, scale h, scale w) in [0, 1] -> residuals."""

    Config = ControlNetConfig

    def __init__(self, config: ControlNetConfig) -> None:
        super().__init__()
        c = self.config = config
        self.conv_in = Conv2d(c.channels + c.extra, c.widths[0], 3, padding=1)
        self.time_embedding = Embedding(c.widths[0], c.vector)
        self.add_embedding = Embedding(c.pooled, c.vector) if c.pooled else None
        self.controlnet_cond_embedding = Hint(c)
        self.down_blocks = nn.ModuleList(Down(c, level) for level in range(len(c.widths)))
        self.mid_block = Middle(c)
        self.controlnet_down_blocks = nn.ModuleList(Conv2d(width, width, 1) for width in c.left)
        self.controlnet_mid_block = Conv2d(c.widths[-1], c.widths[-1], 1)

    def forward(self, x: Tensor, time: Tensor, condition: LDMUNetCondition, picture: Tensor) -> Residuals:
        scale = self.config.scale
        if picture.shape[2:] != (wanted := torch.Size(scale * side for side in x.shape[2:])):
            sizes = [f"{size[1]} x {size[0]}" for size in (picture.shape[2:], wanted)]
            raise Refused(f"the control picture has {sizes[0]} pixels", f"give one of {sizes[1]}", "control")
        x = x.to(native(x.device.type, x.dtype))
        vector, context = steered(self, x, time, condition), (condition.context.to(x.dtype), condition.mask)
        x = x if condition.extra is None or not self.config.extra else torch.cat([x, condition.extra.to(x)], 1)
        x = channels_last(self.conv_in(x)) + self.controlnet_cond_embedding(channels_last(picture.to(x)))
        left = descended(self, x, vector, context)
        found = [layer(kept) for layer, kept in zip(self.controlnet_down_blocks, left, strict=True)]
        found.append(self.controlnet_mid_block(self.mid_block(left[-1], vector, context)))
        return tuple(f.mean((2, 3), keepdim=True) if self.config.averaged else f for f in found)


class Hint(nn.Module):
    """The picture at the sample's size: (B, 3, scale h, scale w) -> (B, the first level's width, h, w)"""

    def __init__(self, c: ControlNetConfig) -> None:
        super().__init__()
        pairs = list(zip(c.hint, c.hint[1:], strict=False))
        self.conv_in = Conv2d(3, c.hint[0], 3, padding=1)
        self.blocks = nn.ModuleList(
            layer
            for before, after in pairs
            for layer in (Conv2d(before, before, 3, padding=1), Conv2d(before, after, 3, padding=1, stride=2))
        )
        self.conv_out = Conv2d(c.hint[-1], c.widths[0], 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        x = silu(self.conv_in(picture))
        for layer in self.blocks:
            x = silu(layer(x))
        return self.conv_out(x)


@dataclass(frozen=True)
class Control:
    """A ControlNet at work.

    Args:
        network: what turns a picture into residuals.
        weight: how strongly they count.
        times: it acts where the clock reads more than the first and at most the second; `between` gives them.
    """

    network: ControlNet
    weight: float = 1.0
    times: tuple[float, float] = (-inf, inf)

    def acts(self, time: Tensor) -> bool:
        """Whether any of a batch's times is among its own."""
        low, high = self.times
        return (low, high) == (-inf, inf) or bool(((time > low) & (time <= high)).any())


class Controlled(nn.Module):
    """A network with ControlNets attached: a new tree that shares the parameters of all of them.

    Its condition's `control` holds a picture for each, in their order. The ControlNets see the network's own scaled
    input and time.
    """

    Condition = LDMUNetCondition

    def __init__(self, network: nn.Module, controls: Sequence[Control]) -> None:
        super().__init__()
        self.network = network
        self.controls = tuple(controls)
        self.attached = nn.ModuleList(control.network for control in controls)

    def view(self, view: View) -> "Controlled":
        """The same ControlNets on a weaker view of the network."""
        if not isinstance(self.network, Viewable):
            raise Refused(f"a {type(self.network).__name__} has no weaker view", "use another guidance", "guidance")
        return Controlled(self.network.view(view), self.controls)

    def forward(self, x: Tensor, time: Tensor, condition: LDMUNetCondition) -> Tensor:
        pictures = condition.control
        if pictures is None or pictures.shape[1] != len(self.controls):
            count = 0 if pictures is None else pictures.shape[1]
            what = f"{count} control pictures for {len(self.controls)} ControlNets"
            raise Refused(what, "give one picture for each", "control")
        plain = replace(condition, control=None, positive=None)
        total: Residuals | None = condition.residuals
        for control, picture in zip(self.controls, pictures.unbind(1), strict=True):
            if control.weight and control.acts(time):
                weight = _weight(control, condition)
                found = tuple(weight * f for f in control.network(x, time, plain, picture))
                total = found if total is None else tuple(a + b for a, b in zip(total, found, strict=True))
        return cast(Network[LDMUNetCondition], self.network)(x, time, replace(plain, residuals=total))


def _weight(control: Control, condition: LDMUNetCondition) -> Tensor | float:
    """How strongly a control counts; one whose findings are averaged not at all but where the words are positive."""
    if condition.positive is None or not control.network.config.averaged:
        return control.weight
    return control.weight * condition.positive[:, None, None, None]


def between(trajectory: Trajectory, clock: Clock, start: float = 0.0, end: float = 1.0) -> tuple[float, float]:
    """The times of a `Control` that acts from a part of a run's steps to another.

    A step counts where it begins at `start` or later and ends at `end` or earlier, as diffusers has it. Whatever a
    sampler asks between that step's level and the next belongs to it.

    Raises:
        Refused: start and end are no parts of a run, or no step lies between them.
    """
    levels = trajectory.levels
    steps = len(levels) - 1
    chosen = [i for i in range(steps) if i / steps >= start and (i + 1) / steps <= end]
    if not 0 <= start < end <= 1 or not chosen:
        raise Refused(f"no step lies between {start:g} and {end:g} of the run", "widen start and end", "control")
    first, last = chosen[0], chosen[-1] + 1
    low = -inf if last == steps else _read(clock, levels[last])
    return low, inf if first == 0 else _read(clock, levels[first])


def _read(clock: Clock, level: Level) -> float:
    """The clock as a network reads it."""
    return float(clock(level).float())
