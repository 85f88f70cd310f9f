"""A diffusion model: its denoiser and its conditioner are trained, its codec stays as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from unnoise.core.model import Model, Wish
from unnoise.data.batches import Batch, Order
from unnoise.data.pictures import Pictures
from unnoise.evaluate.heldout import heldout
from unnoise.families.native import export, parts
from unnoise.media.image import to_bytes
from unnoise.tasks.generate import Generate
from unnoise.train.objective import Example
from unnoise.train.objectives.denoising import Denoising
from unnoise.train.sheets import SHOWN, captioned, preview
from unnoise.train.subject import copied, floats, on_device


@dataclass(frozen=True, kw_only=True)
class Diffusion:
    """Args:
    model: the model to be.
    objective: what is minimised over its denoiser and conditioner.
    drop: how often a picture's caption is dropped, so that guidance has a free branch.
    previews: the prompts of the preview sheet.
    """

    model: Model
    objective: Denoising
    drop: float = 0.1
    previews: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.model.description.name

    def parts(self) -> Mapping[str, nn.Module]:
        return parts(self.model)

    def meaning(self) -> str:
        model, conditioner = self.model, cast(Any, self.model.conditioner)
        read = f"{conditioner.config!r} {getattr(conditioner, 'vocabulary', '')}"
        return f"{read} {model.denoiser.prediction!r} {model.denoiser.clock!r} {model.schedule!r}"

    def roles(self) -> Mapping[str, Sequence[nn.Module]]:
        return {"model": [cast(nn.Module, self.model.denoiser), cast(nn.Module, self.model.conditioner)]}

    def networks(self) -> Sequence[nn.Module]:
        return [self.model.denoiser.network]

    def copied(self) -> Self:
        model = self.model
        made = replace(
            model,
            denoiser=copied(model.denoiser),
            codec=copied(model.codec),
            conditioner=copied(model.conditioner),
        )
        return replace(self, model=made, objective=self.objective.of(made))

    def check(self) -> None:
        for prompt in self.previews:  # what the model cannot honour is said now, not at the first preview
            Generate(prompt=prompt, seed=0).plan(self.model.description)

    def example(self, batch: Batch, order: Order, step: int, random: torch.Generator) -> Example:
        tokens = self.model.conditioner.prepare(asked(batch.captions, order, step, self.drop))
        return Example(self._encoded(batch.images), tokens, random)

    @torch.no_grad()
    def sheet(self, batch: Batch, order: Order, step: int) -> Tensor:
        """The pictures as the network gets them, through the codec, with the captions that are left to them."""
        wishes = asked(batch.captions, order, step, self.drop)[:SHOWN]
        seen = self.model.codec.decode(self._encoded(batch.images[:SHOWN]))
        return captioned(list(to_bytes(seen.float()).cpu()), [wish.prompt for wish in wishes])

    def heldout(self, pictures: Pictures) -> float:
        wishes = [Wish(captions[0] if captions else "") for captions in pictures.captions]
        objective = self.objective
        return heldout(
            objective.errors,
            torch.cat([self._encoded(some) for some in pictures.images.split(64)]),
            lambda part: self.model.conditioner.prepare(wishes[part]),
            lambda count, random: objective.times(count, objective.schedule, random),
        )

    def preview(self) -> Tensor | None:
        return preview(self.model, self.previews) if self.previews else None

    def export(self, steps: int, dtype: torch.dtype) -> tuple[dict[str, Tensor], dict[str, str]]:
        described = self.model.description
        before = described.facts.get("steps", "0")  # of a model that this run goes on from
        facts = {**described.facts, "steps": str(steps + (int(before) if before.isdecimal() else 0))}
        model = replace(self.model, description=replace(described, facts=facts))
        return export(model, nn.ModuleDict(parts(model)).state_dict(), dtype)

    @torch.no_grad()
    def _encoded(self, images: Tensor) -> Tensor:
        """uint8 pictures (B, C, S, S) as samples; what is encoded already (data/latents.py) as it is."""
        device = on_device(self)
        return images.to(device) if images.is_floating_point() else self.model.codec.encode(floats(images, device))


def asked(captions: Sequence[str], order: Order, step: int, drop: float) -> list[Wish]:
    """What the network is told of a step's pictures: their captions, dropped here and there."""
    draws = (Random(order.key(step, place, "drop")) for place in order.places)
    return [Wish("" if draw.random() < drop else caption) for caption, draw in zip(captions, draws, strict=True)]
