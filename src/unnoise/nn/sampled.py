"""Group norms that are measured on a sample of a picture, and then hold for all of it: so a picture too large to be
seen at once is made tile by tile, all tiles alike. A norm over one tile alone would give each its own brightness.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from unnoise.nn.norm import GroupNorm

Normed = Callable[[GroupNorm, Tensor], Tensor]
"""How a norm is applied to x (B, C, H, W)."""


def plain(layer: GroupNorm, x: Tensor) -> Tensor:
    """As it is meant."""
    return layer(x)


@dataclass(frozen=True)
class Sampled:
    """The statistics of one picture's norms, by layer.

    Args:
        side: of the crops that are measured, in cells of where they were cut.
        edge: how many cells at a crop's edge do not count, as their convolutions lack neighbours.
    """

    side: int
    edge: int
    found: dict[GroupNorm, tuple[Tensor, Tensor]] = field(default_factory=dict[GroupNorm, tuple[Tensor, Tensor]])

    def crops(self, x: Tensor, most: int) -> Tensor:
        """At most `most` crops (n, C, side, side), at least one, spread evenly over x (1, C, H, W)."""
        # A picture narrower than a crop goes on as it ends.
        missing = [max(0, self.side - n) for n in x.shape[2:]]
        x = nn.functional.pad(x, (0, missing[1], 0, missing[0]), mode="replicate")
        height, width = x.shape[2:]
        down = max(1, min(round((most * height / width) ** 0.5), most, -(-height // self.side)))
        across = max(1, min(most // down, -(-width // self.side)))
        rows, columns = (_places(n, self.side, count) for n, count in ((height, down), (width, across)))
        return torch.cat([x[..., r : r + self.side, c : c + self.side] for r in rows for c in columns])

    def measured(self, layer: GroupNorm, x: Tensor) -> Tensor:
        """A layer over crops as if they were one picture; what it finds is kept."""
        edge = self.edge * x.shape[-1] // self.side
        inner = x[..., edge : x.shape[-2] - edge, edge : x.shape[-1] - edge]
        groups = inner.float().transpose(0, 1).reshape(layer.groups, -1)
        variance, mean = torch.var_mean(groups, 1, correction=0)
        self.found[layer] = mean, torch.rsqrt(variance + layer.eps)
        return self.held(layer, x)

    def held(self, layer: GroupNorm, x: Tensor) -> Tensor:
        """A layer with the statistics that were measured."""
        each = len(layer.weight) // layer.groups
        mean, deviation = (v.repeat_interleave(each) for v in self.found[layer])
        scale = layer.weight.float() * deviation
        shift = layer.bias.float() - mean * scale
        return torch.addcmul(shift.to(x.dtype)[:, None, None], x, scale.to(x.dtype)[:, None, None])


def _places(length: int, side: int, count: int) -> list[int]:
    """Where `count` crops start, from one end to the other."""
    if count == 1:
        return [max(0, (length - side) // 2)]
    return [round(k * max(0, length - side) / (count - 1)) for k in range(count)]
