"""Tiny autoencoders of other models' latents (Bollin 2023, https://github.com/madebyollin/taesd): TAESD, TAESDXL,
TAESD3, TAEF1 with 4 or 16 channels, and TAEF2 with 32 and a global look in its smallest blocks.

Distilled from the large autoencoders, 1.2 million weights each way and no normalisation but in that look. Layers are
numbered as in the published files, `encoder.0.weight` to `decoder.19.weight`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unnoise.nn.conv import channels_last

WIDTH = 64


@dataclass(frozen=True, kw_only=True)
class TAESDConfig:
    """Args:
    channels: of the latents.
    pooled: the blocks next to the latents look at the whole picture's statistics (TAEF2).
    """

    channels: int = 4
    pooled: bool = False


class TAESD(nn.Module):
    """Media (B, 3, H, W) in [-1, 1] <-> latents (B, channels, H / 8, W / 8) of the model it was distilled from."""

    Config = TAESDConfig
    scale = 8

    def __init__(self, config: TAESDConfig) -> None:
        super().__init__()
        self.config, self.channels = config, config.channels
        self.encoder, self.decoder = _encoder(config), _decoder(config)

    def encode(self, media: Tensor) -> Tensor:
        return self.encoder(channels_last((media + 1) / 2))

    def decode(self, sample: Tensor) -> Tensor:
        return self.decoder(channels_last(sample)) * 2 - 1

    preview = decode


class Block(nn.Module):
    """Three convolutions beside the way straight on; a pooled one first adds what its cells have in common."""

    def __init__(self, pooled: bool) -> None:
        super().__init__()
        self.conv = nn.Sequential(_conv(), nn.ReLU(), _conv(), nn.ReLU(), _conv())
        self.pool = _pool() if pooled else None

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.pool is None else x + self.pool(x)
        return nn.functional.relu(x + self.conv(x))


class Clamp(nn.Module):
    """Latents far out are drawn in."""

    def forward(self, x: Tensor) -> Tensor:
        return 3 * torch.tanh(x / 3)


def _encoder(c: TAESDConfig) -> nn.Sequential:
    layers: list[nn.Module] = [_conv(3), Block(False)]
    for level in range(3):
        layers += [_conv(stride=2, bias=False), *(Block(c.pooled and level == 2) for _ in range(3))]
    return nn.Sequential(*layers, nn.Conv2d(WIDTH, c.channels, 3, padding=1))


def _decoder(c: TAESDConfig) -> nn.Sequential:
    layers: list[nn.Module] = [Clamp(), _conv(c.channels), nn.ReLU()]
    for level in range(3):
        layers += [*(Block(c.pooled and level == 0) for _ in range(3)), nn.Upsample(scale_factor=2), _conv(bias=False)]
    return nn.Sequential(*layers, Block(False), nn.Conv2d(WIDTH, 3, 3, padding=1))


def _conv(before: int = WIDTH, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(before, WIDTH, 3, stride=stride, padding=1, bias=bias)


def _pool() -> nn.Sequential:
    wide = 4 * WIDTH
    into, out = nn.Conv2d(WIDTH, wide, 1, bias=False), nn.Conv2d(wide, WIDTH, 1, bias=False)
    return nn.Sequential(into, nn.GroupNorm(4, wide), nn.ReLU(), out)


codec = TAESD
