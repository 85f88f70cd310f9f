"""A picture enlarged by a network tile by tile: without seams, and in flat memory, whatever its size."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.core.model import Upscaler
from unnoise.core.tile import tiles
from unnoise.media.image import from_bytes, to_bytes
from unnoise.tasks._plan import goes

SIDE = 256
"""Pixels a side that one call of the network enlarges, beside the margin."""

FILTER = 2
"""How far, in pixels of the given picture, shrinking a larger result looks beyond what the network does."""

BLEED = 4
"""Pixels by which colours go on into what is transparent: farther than the enlarged edge can show."""


@dataclass(frozen=True)
class Step:
    """A tile is done.

    Args:
        done, count: tiles, of all goes.
        pixels: the picture so far, uint8 (C, H, W), black where tiles are to come; smaller before the last go.
    """

    done: int
    count: int
    pixels: Tensor


def enlarge(network: Upscaler, pixels: Tensor, scale: int, side: int = SIDE) -> Iterator[Step]:
    """A picture, uint8 (1, 3 or 4, H, W), `scale` times as large, on the CPU: whole at the last step.

    A scale below the network's own is its result, shrunk; one above it takes two goes. Transparency is enlarged by the
    bicubic filter.

    Raises:
        Refused: the network cannot make this scale.
    """
    margin = network.reach + FILTER + (BLEED if len(pixels) == 4 else 0)
    plan = goes(scale, network.scale)
    before = [plan[0] if k else 1 for k in range(len(plan))]
    height, width = pixels.shape[1:]
    count = sum(sum(1 for _ in tiles(height * b, width * b, side, margin)) for b in before)
    done = 0
    for times in plan:
        height, width = pixels.shape[1:]
        larger = torch.zeros((len(pixels), height * times, width * times), dtype=torch.uint8)
        for tile in tiles(height, width, side, margin):
            tile.put(_made(network, tile.of(pixels), times), larger, times)
            done += 1
            yield Step(done, count, larger)
        pixels = larger


def whole(network: Upscaler, pixels: Tensor, scale: int) -> Tensor:
    """As `enlarge`, at once."""
    *_, last = enlarge(network, pixels, scale)
    return last.pixels


@torch.no_grad()
def _made(network: Upscaler, pixels: Tensor, times: int) -> Tensor:
    """What a tile becomes, uint8 (C, times H, times W)."""
    parameter = next(network.parameters())
    colour, alpha = from_bytes(pixels[:3]), from_bytes(pixels[3:])
    if len(alpha):
        colour = bled(colour, (alpha + 1) / 2)
    made = _coloured(network, colour.to(parameter)).float()
    size = (pixels.shape[1] * times, pixels.shape[2] * times)
    if times < network.scale:
        made = F.interpolate(made[None], size, mode="bicubic", antialias=True)[0]
    if len(alpha):
        made = torch.cat([made.cpu(), F.interpolate(alpha[None], size, mode="bicubic")[0]])
    return to_bytes(made).cpu()


def _coloured(network: Upscaler, media: Tensor) -> Tensor:
    """Media (C, H, W) through a network of any number of channels: (C, scale H, scale W)."""
    channels = len(media)
    if channels == network.channels:
        return network(media[None])[0]
    if channels == 1:
        return network(media.expand(network.channels, -1, -1)[None])[0].mean(0, keepdim=True)
    return network(media[:, None])[:, 0]


def bled(colour: Tensor, alpha: Tensor) -> Tensor:
    """Colours (3, H, W) in [-1, 1] that go on a few pixels into where alpha (1, H, W) in [0, 1] is nothing.

    A file may say any colour where nothing is seen, and the enlarged edge would take some of it over. Farther off it
    is white.
    """
    there = (alpha > 0).to(colour)
    colour = torch.where(there > 0, colour, 0.0)
    for _ in range(BLEED):
        near = F.avg_pool2d(torch.cat([colour * there, there]), 3, 1, 1)
        reached = (near[3:] > 0).to(colour)
        colour = torch.where(there > 0, colour, near[:3] / near[3:].clamp(min=1e-6))
        there = reached
    return torch.where(there > 0, colour, 1.0)
