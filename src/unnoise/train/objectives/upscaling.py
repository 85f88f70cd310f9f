"""An upscaler gives back the picture that was made small: its pixels, and its wavelet details at every scale.

Errors count by Charbonnier's smooth absolute value (Lai et al. 2017): squares would spread an edge over its neighbours
rather than put it a little wrong. The details of an orthonormal Haar transform ask for edges as sharp as the picture's.
Small pictures are made on the spot, each by a fault of its own; some pictures are laid in colour, so that backgrounds
are not always white.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from unnoise.data.degradations import Degradations
from unnoise.networks.upscaler import Upscaler
from unnoise.train.objective import Example, Loss
from unnoise.train.objectives.codec import detailed
from unnoise.train.precision import computing

SMOOTH = 0.004
"""Where the error turns from a square into an absolute value: half a level of 8 bits, in media of [-1, 1]."""


@dataclass(frozen=True, kw_only=True)
class Upscaling:
    """Args:
    upscaler: what is trained.
    degradations: how pictures come to be small.
    details: what the wavelet term counts beside the pixels'.
    levels: of the wavelet transform.
    crop: the side of a random crop of each batch, a multiple of the scale; 0 for the whole.
    tint: how often a picture is laid in colour.
    autocast: the floating-point type it computes in where the machine is quick in it, its weights staying
        float32; None for theirs.
    """

    upscaler: Upscaler
    degradations: Degradations = field(default_factory=Degradations)
    details: float = 0.5
    levels: int = 2
    crop: int = 0
    tint: float = 0.5
    autocast: torch.dtype | None = None

    def of(self, upscaler: Upscaler) -> "Upscaling":
        """The same objective for another module."""
        return replace(self, upscaler=upscaler)

    def __call__(self, example: Example) -> Iterator[Loss]:
        data, small = self.seen(example.data, example.random)
        with computing(data, self.autocast):
            made = self.upscaler(small)
        error = self.errors(made.float(), data)
        yield Loss("model", error.mean(), {"error": error.detach()})

    def seen(self, data: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """What is asked for of pictures (B, C, H, W), and the small ones that the network gets: both cropped and laid
        in colour as the draws say."""
        data = tinted(cropped(data, self.crop, self.upscaler.scale, random), self.tint, random)
        return data, self.degradations(data, self.upscaler.scale, random)

    def errors(self, made: Tensor, data: Tensor) -> Tensor:
        """The error (B,) of pixels and details of each picture (B, C, H, W)."""
        return detailed(made - data, self.levels, self.details, _smooth)


def _smooth(x: Tensor) -> Tensor:
    return (x.square() + SMOOTH**2).sqrt() - SMOOTH


def cropped(data: Tensor, side: int, scale: int, random: torch.Generator) -> Tensor:
    """A crop of a batch at one random place; sides are cut to multiples of the scale."""
    height, width = ((side or length) // scale * scale for length in data.shape[2:])
    height, width = min(height, data.shape[2] // scale * scale), min(width, data.shape[3] // scale * scale)
    room = torch.tensor([data.shape[2] - height + 1, data.shape[3] - width + 1])
    top, left = (torch.rand(2, generator=random, device=random.device).cpu() * room).long().tolist()
    return data[..., top : top + height, left : left + width]


def tinted(data: Tensor, share: float, random: torch.Generator) -> Tensor:
    """Pictures as seen through coloured glass, some of them negatives: white grounds become any colour, or black.

    The edges stay what they were, and their colours stay in [-1, 1].
    """
    count, channels = data.shape[:2]
    draws = torch.rand((count, 2 + channels, 1, 1), generator=random, device=random.device).to(data)
    light, glass = (data + 1) / 2, draws[:, 2:]
    seen = torch.where(draws[:, :1] < 0.5, light, 1 - light) * glass
    return torch.where(draws[:, 1:2] < share, seen * 2 - 1, data)
