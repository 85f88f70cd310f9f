"""How pictures come to be small: shrunk by one filter or another, a little blurred, noisy or compressed.

Shrinking is a matrix along each axis, a filter's values at the distances between large and small pixels, each row
summing to one: what Pillow and torch's antialiased interpolation compute. A JPEG's loss is that of its quantised cosine
transform in 8 x 8 cells (ITU-T T.81, annex K's tables, scaled by quality as the Independent JPEG Group's library does).
Kinds are drawn a picture, from the step's own generator.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

Filter = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Degradations:
    """Args:
    clean: the share of pictures that are shrunk by the antialiased bicubic filter, and nothing else.
    each: how often each of the other faults comes upon a picture that is not clean.
    blur: the largest deviation of a Gaussian blur, in pixels of the small picture.
    noise: the largest deviation of noise; media lie in [-1, 1].
    quality: the lowest JPEG quality.
    """

    clean: float = 0.5
    each: float = 0.5
    blur: float = 0.7
    noise: float = 0.04
    quality: float = 50.0

    def __call__(self, pictures: Tensor, scale: int, random: torch.Generator) -> Tensor:
        """(B, C, H, W) in [-1, 1], sides multiples of the scale -> (B, C, H / scale, W / scale), rounded to 8 bits."""
        count = len(pictures)
        draws = torch.rand(8, count, generator=random, device=random.device).to(pictures)
        faulty = draws[0] >= self.clean
        kind = torch.where(faulty, (draws[1] * len(FILTERS)).long(), list(FILTERS).index("bicubic"))
        blurred, noisy, pressed = (faulty & (draw < self.each) for draw in draws[2:5])
        small = shrunk(pictures, scale, kind, draws[5] * self.blur * blurred)
        noise = torch.randn(small.shape, generator=random, device=random.device).to(small)
        small = small + noise * (draws[6] * self.noise * noisy)[:, None, None, None]
        small = eight_bits(small)
        if small.shape[1] != 3 or not bool(pressed.any()):
            return small
        quality = self.quality + draws[7] * (98 - self.quality)
        return torch.where(pressed[:, None, None, None], eight_bits(compressed(small, quality)), small)


def shrunk(pictures: Tensor, scale: int, kind: Tensor, blur: Tensor) -> Tensor:
    """Each picture of (B, C, H, W) shrunk by the filter of its number, then blurred by its own deviation (B,)."""
    rows, columns = (_matrices(side, scale, kind, blur) for side in pictures.shape[2:])
    return rows[:, None] @ pictures @ columns[:, None].mT


def _matrices(side: int, scale: int, kind: Tensor, blur: Tensor) -> Tensor:
    every = torch.stack([matrix(name, side, scale) for name in FILTERS]).to(blur)
    place = torch.arange(side // scale, device=blur.device)
    apart = (place[:, None] - place).to(blur)
    smear = torch.exp(-0.5 * (apart / blur.clamp(min=1e-3)[:, None, None]).square())
    return (smear / smear.sum(-1, keepdim=True)) @ every[kind]


@cache
def matrix(name: str, side: int, scale: int) -> Tensor:
    """The matrix (side / scale, side) that shrinks an axis by a filter."""
    centres = (torch.arange(side // scale, dtype=torch.float64)[:, None] + 0.5) * scale
    weights = FILTERS[name]((torch.arange(side, dtype=torch.float64) + 0.5 - centres) / scale)
    return (weights / weights.sum(1, keepdim=True)).float()


def _area(x: Tensor) -> Tensor:
    return (x.abs() < 0.5).to(x)


def _bilinear(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def _bicubic(x: Tensor) -> Tensor:
    """Keys 1981, with a = -1/2."""
    a, x = -0.5, x.abs()
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def _lanczos(x: Tensor) -> Tensor:
    return torch.sinc(x) * torch.sinc(x / 3) * (x.abs() < 3)


FILTERS: dict[str, Filter] = {"area": _area, "bicubic": _bicubic, "bilinear": _bilinear, "lanczos": _lanczos}


def eight_bits(media: Tensor) -> Tensor:
    """Media as a file of 8 bits would give them back."""
    return ((media.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def compressed(media: Tensor, quality: Tensor) -> Tensor:
    """What JPEG files without subsampling give back of (B, 3, H, W), each of its own quality (B,), 1 to 100."""
    height, width = media.shape[2:]
    padded = F.pad(media, (0, -width % 8, 0, -height % 8), mode="replicate")
    colours = _COLOURS.to(media)
    # Bytes less 128, as the format has them; the planes of colour are whole numbers, too.
    planes = torch.einsum("dc,bchw->bdhw", colours, padded * 127.5 - 0.5).round()
    cells = planes.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)  # (B, 3, H / 8, W / 8, 8, 8)
    cosines, tables = _cosines().to(media), _tables(quality)[:, :, None, None]
    levels = ((cosines @ cells @ cosines.mT) / tables).round()
    cells = cosines.mT @ (levels * tables) @ cosines
    planes = cells.transpose(3, 4).flatten(4, 5).flatten(2, 3)
    back = torch.einsum("dc,bchw->bdhw", torch.linalg.inv(colours), planes.round())
    return (back[..., :height, :width] + 0.5) / 127.5


def _tables(quality: Tensor) -> Tensor:
    """The quantisation tables (B, 3, 8, 8) of brightness and of the two differences of colour."""
    percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    tables = torch.stack([_BRIGHTNESS, _COLOUR, _COLOUR]).to(quality)
    return ((tables * percent[:, None, None, None] + 50) / 100).floor().clamp(1, 255)


@cache
def _cosines() -> Tensor:
    """The orthonormal cosine transform of 8 values."""
    k = torch.arange(8, dtype=torch.float64)
    rows = torch.cos(math.pi / 8 * (k + 0.5) * k[:, None]) / 2
    rows[0] /= math.sqrt(2)
    return rows


_COLOURS = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
"""From red, green and blue to brightness and two differences (JFIF 1.02)."""


def _table(text: str) -> Tensor:
    return torch.tensor([int(word) for word in text.split()], dtype=torch.float32).view(8, 8)


_BRIGHTNESS = _table(
    """16 11 10 16  24  40  51  61   12 12 14 19  26  58  60  55   14 13 16 24  40  57  69  56
    14 17 22 29  51  87  80  62   18 22 37 56  68 109 103  77   24 35 55 64  81 104 113  92
    49 64 78 87 103 121 120 101   72 92 95 98 112 100 103  99"""
)
_COLOUR = _table(
    """17 18 24 47 99 99 99 99   18 21 26 66 99 99 99 99   24 26 56 99 99 99 99 99   47 66 99 99 99 99 99 99
    99 99 99 99 99 99 99 99   99 99 99 99 99 99 99 99   99 99 99 99 99 99 99 99   99 99 99 99 99 99 99 99"""
)
