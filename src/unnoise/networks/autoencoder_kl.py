"""The convolutional variational autoencoder of latent diffusion (Rombach et al. 2022, section 3.1), with 4 channels in
SD 1, SD 2 and SDXL and 16 in SD 3 and Flux.

It gives each latent a mean and a variance. What is diffused is the mean, shifted and scaled to about unit variance: a
codec that answers the same every time. `moments` has both, for whoever wants to draw. Modules have diffusers' names.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unnoise.core.error import Refused
from unnoise.core.tile import Span, tiles
from unnoise.networks._looks import LOOKS
from unnoise.nn.attention import attend
from unnoise.nn.conv import channels_last, double
from unnoise.nn.native import Conv2d, Linear, native
from unnoise.nn.norm import GroupNorm
from unnoise.nn.sampled import Normed, Sampled, plain

CROP, EDGE = 8, 2
"""The side of the crops on which a large picture's norms are measured, and what of it does not count, in cells. Many
small crops stand for a picture better than few large ones: by several times, on random weights."""


@dataclass(frozen=True, kw_only=True)
class AutoencoderKLConfig:
    """Args:
    channels: of the latent.
    media: of the picture.
    widths: of each level, every one half the size of the one before.
    blocks: residual blocks a level; the way up has one more.
    groups: of the norms.
    attention: whether cells look at each other where they are fewest.
    quant, post_quant: whether a 1 x 1 convolution stands behind the encoder, and before the decoder.
    scaling, shift: the sample is (latent - shift) x scaling.
    mean, std: of each channel, where they were measured: then shift by the mean, and scale by scaling / std.
    look: whose latents they are, for previews (`sd1`, `sdxl`, `sd3` or `flux`); nothing is grey.
    tile: the longest side, in cells, that is encoded or decoded at once; larger ones go in tiles of as many.
    """

    channels: int = 4
    media: int = 3
    widths: tuple[int, ...] = (128, 256, 512, 512)
    blocks: int = 2
    groups: int = 32
    attention: bool = True
    quant: bool = True
    post_quant: bool = True
    scaling: float = 0.18215
    shift: float = 0.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    look: str = ""
    tile: int = 192


class AutoencoderKL(nn.Module):
    """Media (B, media, H, W) in [-1, 1] <-> samples (B, channels, H / scale, W / scale), H and W multiples of scale."""

    Config = AutoencoderKLConfig

    def __init__(self, config: AutoencoderKLConfig) -> None:
        super().__init__()
        c = config
        if {len(c.mean), len(c.std)} - {0, c.channels} or len(c.mean) != len(c.std) or not all((c.scaling, *c.std)):
            raise Refused("a latent's mean and deviation are one a channel, and its scale is not 0", field="codec")
        if any(width % c.groups for width in c.widths):
            raise Refused(f"{c.groups} groups do not divide the widths {c.widths}", "the file is damaged", "codec")
        self.config, self.channels = c, c.channels
        self.scale = 2 ** (len(c.widths) - 1)
        self.encoder, self.decoder = Encoder(c), Decoder(c)
        self.quant_conv = Conv2d(2 * c.channels, 2 * c.channels, 1) if c.quant else None
        self.post_quant_conv = Conv2d(c.channels, c.channels, 1) if c.post_quant else None

    def moments(self, media: Tensor) -> tuple[Tensor, Tensor]:
        """The latents' mean and standard deviation, as samples, (B, channels, H / scale, W / scale) each."""
        given, media = media.dtype, media.to(native(media.device.type, media.dtype))
        found = self.encoder.inner(self._outer(self._down(), channels_last(media)))
        found = found if self.quant_conv is None else self.quant_conv(found)
        mean, log_variance = found.chunk(2, 1)
        shift, scaling = self._statistics(media)
        deviation = torch.exp(log_variance.clamp(-30, 20) / 2)
        return ((mean - shift) * scaling).to(given), (deviation * scaling).to(given)

    def encode(self, media: Tensor) -> Tensor:
        return self.moments(media)[0]

    def decode(self, sample: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, media, scale h, scale w); beyond `tile` cells a side, in tiles."""
        given, sample = sample.dtype, sample.to(native(sample.device.type, sample.dtype))
        shift, scaling = self._statistics(sample)
        latent = channels_last(sample / scaling + shift)
        latent = latent if self.post_quant_conv is None else self.post_quant_conv(latent)
        return self._outer(self._up(), self.decoder.inner(latent)).to(given)

    def preview(self, sample: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, 3, h, w), by the linear map that others fitted to this kind of latents."""
        weight, bias = LOOKS.get(self.config.look, ((), ()))
        if len(weight) != self.channels:
            return sample.mean(1, keepdim=True).expand(-1, 3, -1, -1).clamp(-1, 1)
        matrix, offset = sample.new_tensor(weight), sample.new_tensor(bias)
        return (torch.einsum("bchw,cr->brhw", sample, matrix) + offset[:, None, None]).clamp(-1, 1)

    def _statistics(self, like: Tensor) -> tuple[Tensor | float, Tensor | float]:
        c = self.config
        if not c.mean:
            return c.shift, c.scaling
        shift, deviation = (like.new_tensor(values)[:, None, None] for values in (c.mean, c.std))
        return shift, c.scaling / deviation

    def _down(self) -> "Way":
        return Way(self.encoder.outer, self.encoder.reach, self.scale, 1, self.config.widths[-1])

    def _up(self) -> "Way":
        return Way(self.decoder.outer, self.decoder.reach, 1, self.scale, self.config.media)

    def _outer(self, way: "Way", x: Tensor) -> Tensor:
        """What is done near the picture's size: at once, or beyond `tile` cells a side picture by picture in tiles."""
        if max(x.shape[2:]) <= self.config.tile * way.given:
            return way.run(x, plain)
        return torch.cat([self._in_tiles(way, one) for one in x.split(1)])

    def _in_tiles(self, way: "Way", x: Tensor) -> Tensor:
        """One picture, tile by tile. The norms are measured on as many crops of it as a tile has room for, and so are
        the same for all tiles; what all cells say to each other is said elsewhere."""
        norms = Sampled(CROP * way.given, EDGE * way.given)
        way.run(norms.crops(x, max(1, self.config.tile**2 // CROP**2)), norms.measured)
        height, width = (n // way.given for n in x.shape[2:])
        whole = x.new_empty(1, way.channels, height * way.made, width * way.made)
        for tile in tiles(height, width, max(self.config.tile - 2 * way.reach, 1), way.reach):
            rows, columns = (_pixels(span, way.given) for span in (tile.rows, tile.columns))
            tile.put(way.run(x[..., rows, columns], norms.held), whole, way.made)
        return whole


class Way(NamedTuple):
    """What can be done tile by tile.

    Args:
        run: it, with a way to apply norms.
        reach: how far it sees, in cells of the latent.
        given, made: how many pixels wide a cell is, of what it is given and of what it makes.
        channels: of what it makes.
    """

    run: Callable[[Tensor, Normed], Tensor]
    reach: int
    given: int
    made: int
    channels: int


def _pixels(span: Span, cell: int) -> slice:
    return slice(span.seen_start * cell, span.seen_stop * cell)


def _silu(x: Tensor) -> Tensor:
    """In place where nothing asks for the values before: at a picture's full size each copy counts."""
    return nn.functional.silu(x, inplace=not torch.is_grad_enabled())


class Encoder(nn.Module):
    """Levels of residual blocks, each level half the size of the one before."""

    def __init__(self, config: AutoencoderKLConfig) -> None:
        super().__init__()
        widths, last = config.widths, config.widths[-1]
        self.conv_in = Conv2d(config.media, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(
            Level(widths[max(0, i - 1)], width, config.blocks, config.groups, down=i < len(widths) - 1)
            for i, width in enumerate(widths)
        )
        self.mid_block = Middle(last, config)
        self.conv_norm_out = GroupNorm(last, last // config.groups, 1e-6)
        self.conv_out = Conv2d(last, 2 * config.channels, 3, padding=1)

        # Of the outer part: in cells, how far its convolutions see, all together.
        steps = ((2 * config.blocks + 2) * 2**i for i in range(len(widths)))
        self.reach = math.ceil((1 + sum(steps)) / 2 ** (len(widths) - 1)) - 2

    def outer(self, x: Tensor, normed: Normed = plain) -> Tensor:
        """(B, media, H, W) -> (B, width, h, w): what shrinks, and sees no farther than convolutions do."""
        x = self.conv_in(x)
        for step in _steps(self.down_blocks):
            x = step(x, normed) if isinstance(step, Residual) else step(x)
        return x

    def inner(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> (B, 2 channels, h, w): what is done at the latent's own size."""
        return self.conv_out(_silu(self.conv_norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    """The way back."""

    def __init__(self, config: AutoencoderKLConfig) -> None:
        super().__init__()
        widths = config.widths[::-1]
        self.conv_in = Conv2d(config.channels, widths[0], 3, padding=1)
        self.mid_block = Middle(widths[0], config)
        self.up_blocks = nn.ModuleList(
            Level(widths[max(0, i - 1)], width, config.blocks + 1, config.groups, up=i < len(widths) - 1)
            for i, width in enumerate(widths)
        )
        self.conv_norm_out = GroupNorm(widths[-1], widths[-1] // config.groups, 1e-6)
        self.conv_out = Conv2d(widths[-1], config.media, 3, padding=1)
        # Of the outer part: in cells, how far its convolutions see, all together.
        steps = ((2 * config.blocks + 2.5) / 2**i for i in range(len(widths)))
        self.reach = math.ceil(sum(steps) + 0.5 ** len(widths))

    def inner(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, width, h, w): what is done at the latent's own size."""
        return self.mid_block(self.conv_in(x))

    def outer(self, x: Tensor, normed: Normed = plain) -> Tensor:
        """(B, width, h, w) -> (B, media, scale h, scale w): what grows, and sees no farther than convolutions do."""
        for step in _steps(self.up_blocks):
            x = step(x, normed) if isinstance(step, Residual) else step(x)
        return self.conv_out(_silu(normed(self.conv_norm_out, x)))


class Level(nn.Module):
    """Residual blocks and, behind them, a step down or up; `_steps` runs them."""

    def __init__(self, before: int, width: int, blocks: int, groups: int, down: bool = False, up: bool = False) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(Residual(width if i else before, width, groups) for i in range(blocks))
        self.downsamplers = nn.ModuleList([Down(width)] if down else [])
        self.upsamplers = nn.ModuleList([Up(width)] if up else [])


def _steps(levels: nn.ModuleList) -> Iterator[nn.Module]:
    """The layers of all levels, to be run one by one: a level's own call would keep what it was given until its end."""
    for level in levels:
        for layers in level.children():
            yield from layers.children()


class Middle(nn.Module):
    """Where cells are fewest: two residual blocks, and between them all cells look at each other."""

    def __init__(self, width: int, config: AutoencoderKLConfig) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(Residual(width, width, config.groups) for _ in range(2))
        self.attentions = nn.ModuleList([Attention(width, config.groups)] if config.attention else [])

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.resnets[0], *self.attentions, self.resnets[1]):
            x = layer(x)
        return x


class Residual(nn.Module):
    """Two convolutions, each behind a norm, beside the way straight on."""

    def __init__(self, before: int, width: int, groups: int) -> None:
        super().__init__()
        self.norm1 = GroupNorm(before, before // groups, 1e-6)
        self.conv1 = Conv2d(before, width, 3, padding=1)
        self.norm2 = GroupNorm(width, width // groups, 1e-6)
        self.conv2 = Conv2d(width, width, 3, padding=1)
        self.conv_shortcut = Conv2d(before, width, 1) if before != width else None

    def forward(self, x: Tensor, normed: Normed = plain) -> Tensor:
        # Each in the place of the one before: a name would keep it until the block is done.
        inner = self.conv2(_silu(normed(self.norm2, self.conv1(_silu(normed(self.norm1, x))))))
        return inner + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class Attention(nn.Module):
    """One head over all cells, beside the way straight on."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.group_norm = GroupNorm(width, width // groups, 1e-6)
        self.to_q, self.to_k, self.to_v = (Linear(width, width) for _ in range(3))
        self.to_out = nn.Sequential(Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> the same shape"""
        cells = self.group_norm(x).flatten(2).transpose(1, 2)  # (B, h w, width)
        query, key, value = (layer(cells)[:, None] for layer in (self.to_q, self.to_k, self.to_v))
        found = self.to_out(attend(query, key, value)[:, 0])
        return x + found.transpose(1, 2).unflatten(2, x.shape[2:])


class Down(nn.Module):
    """A picture at half its size; what lies beyond its right and lower edge is black."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = Conv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(nn.functional.pad(x, (0, 1, 0, 1)))


class Up(nn.Module):
    """A picture at twice its size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(double(x))


codec = AutoencoderKL
