"""A codec gives back what it is given: pixels, their wavelet details at every scale and, where asked, a critic's eye.

The absolute error of pixels alone blurs edges, since being off by a little everywhere is cheap. The absolute error of
an orthonormal Haar transform's coefficients (Mallat 1989) counts every scale's details again. A patch critic (Isola et
al. 2017) with the hinge loss (Lim and Ye 2017) asks for the texture of real pictures.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.networks.autoencoder import Autoencoder
from unnoise.nn.conv import channels_last
from unnoise.train.objective import Example, Loss
from unnoise.train.precision import computing


@dataclass(frozen=True, kw_only=True)
class Coding:
    """Args:
    codec: what is trained.
    details: what the wavelet term counts beside the pixels'.
    levels: of the wavelet transform.
    jitter: the largest deviation of the noise on latents, whose own is one; each picture gets one up to it.
    crop: the side of a random crop of each picture, a multiple of the codec's scale; 0 for the whole.
    critic, critic_weight: the patch critic and what its opinion counts; None for none.
    autocast: the floating-point type it computes in where the machine is quick in it, its weights staying
        float32; None for theirs.
    """

    codec: Autoencoder
    details: float = 1.0
    levels: int = 3
    jitter: float = 0.2
    crop: int = 0
    critic: "Critic | None" = None
    critic_weight: float = 0.02
    autocast: torch.dtype | None = None

    def of(self, codec: Autoencoder, critic: "Critic | None") -> "Coding":
        """The same objective for other modules."""
        return replace(self, codec=codec, critic=critic)

    def __call__(self, example: Example) -> Iterator[Loss]:
        data, random = self._cropped(example.data, example.random), example.random
        cells = (len(data), self.codec.channels, *(side // self.codec.scale for side in data.shape[2:]))
        noise = torch.randn(cells, generator=random, device=random.device)
        spread = torch.rand((len(data), 1, 1, 1), generator=random, device=random.device)
        with computing(data, self.autocast):
            made = self.codec(data, (noise * spread * self.jitter).to(data))
        error = self.errors(made.float(), data)
        loss = error.mean()
        if self.critic is not None:
            loss = loss - self.critic_weight * self._opinion(self.critic, made, frozen=True).mean()
        yield Loss("model", loss, {"error": error.detach()})
        if self.critic is not None:
            real, false = (self._opinion(self.critic, seen) for seen in (data, made.detach()))
            yield Loss("critic", F.relu(1 - real).mean() + F.relu(1 + false).mean(), {})

    def errors(self, made: Tensor, data: Tensor) -> Tensor:
        """The error (B,) of pixels and details of each picture (B, C, H, W)."""
        return detailed(made - data, self.levels, self.details, torch.abs)

    def _cropped(self, data: Tensor, random: torch.Generator) -> Tensor:
        """A crop of each batch at one place, on the codec's grid or off it."""
        if not self.crop or min(data.shape[2:]) <= self.crop:
            return data
        room = torch.tensor([side - self.crop + 1 for side in data.shape[2:]])
        share = torch.rand(2, generator=random, device=random.device).cpu()
        top, left = (share * room).long().tolist()
        return data[..., top : top + self.crop, left : left + self.crop]

    def _opinion(self, critic: "Critic", seen: Tensor, frozen: bool = False) -> Tensor:
        critic.requires_grad_(not frozen)
        with computing(seen, self.autocast):
            return critic(seen).float()


class Critic(nn.Module):
    """How real each patch of a picture looks: (B, media, H, W) -> (B, 1, H / 8, W / 8)."""

    def __init__(self, media: int = 3, width: int = 48) -> None:
        super().__init__()
        widths = (media, width, 2 * width, 4 * width)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths))
        self.leave = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = channels_last(x)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        return self.leave(x)


def detailed(off: Tensor, levels: int, weight: float, size: Callable[[Tensor], Tensor]) -> Tensor:
    """The size (B,) of an error (B, C, H, W) in pixels, and in its wavelet details.

    Args:
        levels: of the wavelet transform.
        weight: what the details of all levels count beside the pixels.
        size: of each value.
    """
    total = size(off).flatten(1).mean(1)
    for level in range(levels):
        if min(off.shape[2:]) < 2:
            break
        off, details = haar(off)
        # An orthonormal transform doubles a flat picture's values with each level: back to the pixels' own measure.
        total = total + weight / levels * size(details).flatten(1).mean(1) / 2**level
    return total


def haar(x: Tensor) -> tuple[Tensor, Tensor]:
    """One level of the orthonormal Haar transform: (B, C, H, W) -> means (B, C, H / 2, W / 2), details (B, 3, C, ...).

    An odd last row or column is left out.
    """
    x = x[..., : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2]
    a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
    details = torch.stack([a - b + c - d, a + b - c - d, a - b - c + d], 1) / 2
    return (a + b + c + d) / 2, details
