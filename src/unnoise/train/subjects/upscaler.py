"""An upscaler: trained on pictures alone, which it sees made small; words play no part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from unnoise.data.batches import Batch, Order
from unnoise.data.degradations import FILTERS, eight_bits, shrunk
from unnoise.data.pictures import Pictures
from unnoise.media.image import to_bytes
from unnoise.media.sheet import sheet
from unnoise.networks.upscaler import enlarged
from unnoise.train.loop import generator
from unnoise.train.objective import Example
from unnoise.train.objectives.upscaling import Upscaling
from unnoise.train.sheets import SHOWN, captioned
from unnoise.train.subject import copied, floats, mean_square, on_device
from unnoise.weights.parts import export_parts


@dataclass(frozen=True, kw_only=True)
class Upscaler:
    """Args:
    title: what its file says it is for.
    objective: what is minimised, with the upscaler in it.
    shown: uint8 pictures (N, C, S, S) that the preview makes small and enlarges again.
    """

    title: str
    objective: Upscaling
    shown: Tensor | None = None
    name: str = "upscaler"

    def parts(self) -> Mapping[str, nn.Module]:
        return {"upscaler": self.objective.upscaler}

    def meaning(self) -> str:
        return ""

    def roles(self) -> Mapping[str, Sequence[nn.Module]]:
        return {"model": [self.objective.upscaler]}

    def networks(self) -> Sequence[nn.Module]:
        return [self.objective.upscaler]

    def copied(self) -> Self:
        return replace(self, objective=self.objective.of(copied(self.objective.upscaler)))

    def check(self) -> None: ...

    def example(self, batch: Batch, order: Order, step: int, random: torch.Generator) -> Example:
        return Example(floats(batch.images, on_device(self)), None, random)

    @torch.no_grad()
    def sheet(self, batch: Batch, order: Order, step: int) -> Tensor:
        """The pictures as the network gets them: small, and laid in colour or at fault here and there."""
        random = generator(order.seed, step, on_device(self))
        _, small = self.objective.seen(floats(batch.images, on_device(self)), random)
        return captioned(list(to_bytes(small[:SHOWN]).cpu()), batch.captions[:SHOWN])

    @torch.no_grad()
    def heldout(self, pictures: Pictures) -> float:
        """The mean square error of pictures shrunk and enlarged: 10 log10(4 / it) is their PSNR in decibels."""
        return mean_square(self._again, pictures.images, on_device(self))

    @torch.no_grad()
    def preview(self) -> Tensor | None:
        """Pictures, their bicubic enlargements from a small size, and the network's."""
        if self.shown is None:
            return None
        small, scale = self._small(self.shown), self.objective.upscaler.scale
        made = [to_bytes(some).cpu() for some in (enlarged(small, scale), self.objective.upscaler(small))]
        return sheet([list(self.shown), *map(list, made)], rows=["picture", "bicubic", "enlarged"])

    def export(self, steps: int, dtype: torch.dtype) -> tuple[dict[str, Tensor], dict[str, str]]:
        return export_parts(self.parts(), dtype, {"title": self.title, "steps": str(steps)})

    def _again(self, images: Tensor) -> Tensor:
        return self.objective.upscaler(self._small(images)).clamp(-1, 1)

    def _small(self, images: Tensor) -> Tensor:
        """Pictures shrunk by the antialiased bicubic filter, in 8 bits."""
        media = floats(images, on_device(self))
        kind = torch.full((len(media),), list(FILTERS).index("bicubic"), device=media.device)
        return eight_bits(shrunk(media, self.objective.upscaler.scale, kind, torch.zeros(len(media)).to(media)))
