"""A codec: trained on pictures alone, words play no part. A patch critic, where there is one, is trained against it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.data.batches import Batch, Order
from unnoise.data.pictures import Pictures
from unnoise.media.image import to_bytes
from unnoise.media.sheet import sheet
from unnoise.networks.autoencoder import Autoencoder
from unnoise.train.objective import Example
from unnoise.train.objectives.codec import Coding
from unnoise.train.sheets import SHOWN, captioned
from unnoise.train.subject import copied, floats, mean_square, on_device
from unnoise.weights.parts import export_parts

COLUMNS = 8


@dataclass(frozen=True, kw_only=True)
class Codec:
    """Args:
    title: what its file says it is for.
    objective: what is minimised, with the codec and its critic in it.
    shown: uint8 pictures (N, C, S, S): the codec's statistics of latents and its look at them are those of these, and
        the preview draws the first.
    """

    title: str
    objective: Coding
    shown: Tensor
    name: str = "codec"

    def parts(self) -> Mapping[str, nn.Module]:
        critic = self.objective.critic
        return {"codec": self.objective.codec} | ({} if critic is None else {"critic": critic})

    def meaning(self) -> str:
        return ""

    def roles(self) -> Mapping[str, Sequence[nn.Module]]:
        critic = self.objective.critic
        return {"model": [self.objective.codec]} | ({} if critic is None else {"critic": [critic]})

    def networks(self) -> Sequence[nn.Module]:
        return list(self.parts().values())

    def copied(self) -> Self:
        objective = self.objective
        critic = None if objective.critic is None else copied(objective.critic)
        return replace(self, objective=objective.of(copied(objective.codec), critic))

    def check(self) -> None: ...

    def example(self, batch: Batch, order: Order, step: int, random: torch.Generator) -> Example:
        return Example(floats(batch.images, on_device(self)), None, random)

    @torch.no_grad()
    def sheet(self, batch: Batch, order: Order, step: int) -> Tensor:
        return captioned(list(batch.images[:SHOWN].cpu()), batch.captions[:SHOWN])

    @torch.no_grad()
    def heldout(self, pictures: Pictures) -> float:
        """The mean square error on whole pictures, no noise added: 10 log10(4 / it) is the PSNR in decibels."""
        codec = self._fitted()
        return mean_square(lambda images: self._again(codec, images), pictures.images, on_device(self))

    @torch.no_grad()
    def preview(self) -> Tensor:
        """Pictures, what becomes of them, and the look at their latents."""
        codec, some = self._fitted(), self.shown[:COLUMNS]
        looks = codec.preview(codec.encode(floats(some, on_device(self))))
        small = to_bytes(F.interpolate(looks, scale_factor=float(codec.scale))).cpu()
        rows = [list(some.cpu()), list(to_bytes(self._again(codec, some)).cpu()), list(small)]
        return sheet(rows, rows=["picture", "decoded", "preview"])

    def export(self, steps: int, dtype: torch.dtype) -> tuple[dict[str, Tensor], dict[str, str]]:
        return export_parts({"codec": self._fitted()}, dtype, {"title": self.title, "steps": str(steps)})

    def _fitted(self) -> Autoencoder:
        codec = copied(self.objective.codec)
        codec.fit(floats(self.shown, on_device(self)))
        return codec

    def _again(self, codec: Autoencoder, images: Tensor) -> Tensor:
        return codec.decode(codec.encode(floats(images, on_device(self)))).clamp(-1, 1)
