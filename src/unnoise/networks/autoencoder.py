"""A convolutional autoencoder without normalisation in its layers: what it makes of a place depends on what lies near
it alone, so that crops, tiles and whole pictures agree.

The picture's cells of `patch` x `patch` pixels are folded into channels at once, where a CPU spends least. A latent has
zero mean and unit variance in each channel: the encoder's output is normalised by the batch in training and by the
running statistics, which the file holds, afterwards (Ioffe and Szegedy 2015). So noise added to a latent means the same
throughout training, and the encoder cannot shout it down: the decoder learns to put up with it, as it must with latents
that a sampler made, where a variational autoencoder would learn each latent's variance (Kingma and Welling 2014).
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from unnoise.core.error import Refused
from unnoise.nn.conv import channels_last
from unnoise.nn.zero import zeroed


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """Args:
    channels: of the latent.
    media: of the picture.
    patch: the side of the cells of pixels that are folded into channels.
    widths: of each level, every one half the size of the one before.
    blocks: residual blocks a level; the way up has one more.
    smooth: channels of the last convolutions, which are at the picture's own size and close the seams of the cells.
    """

    channels: int = 8
    media: int = 3
    patch: int = 4
    widths: tuple[int, ...] = (96, 192)
    blocks: int = 2
    smooth: int = 16

    @property
    def scale(self) -> int:
        """How many pixels wide a latent's cell is."""
        return self.patch * 2 ** (len(self.widths) - 1)


class Autoencoder(nn.Module):
    """Media (B, media, H, W) in [-1, 1] <-> latents (B, channels, H / scale, W / scale), H and W multiples of scale."""

    Config = AutoencoderConfig

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        if not config.widths or min(config.channels, config.media, config.patch, *config.widths, config.smooth) < 1:
            raise Refused("an autoencoder's sizes are positive", "give at least one width", "codec")
        self.config = config
        self.scale, self.channels = config.scale, config.channels
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.whiten = nn.BatchNorm2d(config.channels, eps=1e-8, momentum=0.02, affine=False)
        # Fitted, not trained: 3 x 3 cells of a latent, and one, to a cell of the picture.
        self.register_buffer("look", torch.zeros(config.media, 9 * config.channels + 1))

    def encode(self, media: Tensor) -> Tensor:
        return self.whiten(self.encoder(media).float())

    def decode(self, sample: Tensor) -> Tensor:
        return self.decoder(sample)

    def preview(self, sample: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, media, h, w), by the linear map that comes nearest to the shrunken picture."""
        look = cast(Tensor, self.look)
        weight = look[:, :-1].unflatten(1, (self.channels, 3, 3))
        return nn.functional.conv2d(sample, weight, look[:, -1], padding=1).clamp(-1, 1)

    @torch.no_grad()
    def fit(self, media: Tensor) -> None:
        """Find what is not trained over pictures (B, media, H, W): that map, by least squares, and before it their
        latents' statistics, which are others for averaged weights than for those in training."""
        inner = self.encoder(media).float().transpose(0, 1).flatten(1)
        cast(Tensor, self.whiten.running_mean).copy_(inner.mean(1))
        cast(Tensor, self.whiten.running_var).copy_(inner.var(1))
        near = nn.functional.unfold(self.encode(media), 3, padding=1).transpose(1, 2).flatten(0, 1)  # (B h w, 9 C)
        near = torch.cat([near, near.new_ones(len(near), 1)], 1).double()
        shrunk = nn.functional.avg_pool2d(media, self.scale).flatten(2).transpose(1, 2).flatten(0, 1).double()
        square = near.T @ near
        ridge = 1e-6 * square.diagonal().mean() * torch.eye(len(square), dtype=torch.float64, device=near.device)
        found = torch.linalg.solve(square + ridge, near.T @ shrunk)
        cast(Tensor, self.look).copy_(found.T)

    def forward(self, media: Tensor, jitter: Tensor) -> Tensor:
        """What the decoder makes of the latents with noise (B, channels, H / scale, W / scale) added to them."""
        return self.decoder(self.encode(media) + jitter)


class Encoder(nn.Module):
    """Levels of residual blocks, each level half the size of the one before."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.patch = config.patch
        layers: list[nn.Module] = [nn.Conv2d(config.media * config.patch**2, config.widths[0], 3, padding=1)]
        for level, width in enumerate(config.widths):
            if level:
                layers += [nn.PixelUnshuffle(2), nn.Conv2d(4 * config.widths[level - 1], width, 1)]
            layers += [Residual(width) for _ in range(config.blocks)]
        self.layers = nn.Sequential(*layers)
        self.leave = nn.Conv2d(config.widths[-1], config.channels, 3, padding=1)

    def forward(self, media: Tensor) -> Tensor:
        """(B, media, H, W) -> (B, channels, H / scale, W / scale)"""
        x = channels_last(nn.functional.pixel_unshuffle(media, self.patch))
        return self.leave(nn.functional.silu(self.layers(x)))


class Decoder(nn.Module):
    """The way back, and two convolutions at the picture's own size."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = config.widths[::-1]
        layers: list[nn.Module] = [nn.Conv2d(config.channels, widths[0], 3, padding=1)]
        for level, width in enumerate(widths):
            if level:
                layers += [nn.Conv2d(widths[level - 1], 4 * width, 1), nn.PixelShuffle(2)]
            layers += [Residual(width) for _ in range(config.blocks + 1)]
        self.layers = nn.Sequential(*layers)
        self.unfold = nn.Conv2d(widths[-1], config.smooth * config.patch**2, 1)
        self.shuffle = nn.PixelShuffle(config.patch)
        self.first = nn.Conv2d(config.smooth, config.smooth, 3, padding=1)
        self.second = nn.Conv2d(config.smooth, config.media, 3, padding=1)

    def forward(self, sample: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, media, scale h, scale w)"""
        x = self.layers(channels_last(sample))
        x = channels_last(self.shuffle(self.unfold(nn.functional.silu(x))))
        x = x + self.first(nn.functional.silu(x))
        return self.second(nn.functional.silu(x))


class Residual(nn.Module):
    """Two convolutions beside the way straight on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = zeroed(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first(nn.functional.silu(x))
        return torch.add(x, self.second(nn.functional.silu(inner)))


codec = Autoencoder
