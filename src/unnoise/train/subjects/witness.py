"""A witness: a network that answers questions about scenes, trained on real ones whose answers are known."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from unnoise.data.batches import Batch, Order
from unnoise.data.pictures import Pictures
from unnoise.evaluate.compositional import Question
from unnoise.evaluate.exam import answered, stated
from unnoise.media.image import to_bytes
from unnoise.train.loop import generator
from unnoise.train.objective import Example
from unnoise.train.objectives.answering import UNASKED, Answering, error
from unnoise.train.sheets import SHOWN, captioned
from unnoise.train.subject import copied, floats, on_device
from unnoise.weights.parts import export_parts

TOGETHER = 64
ANSWERS = "answers"
"""The tag of a held-out picture that says its answers, in JSON."""


@dataclass(frozen=True, kw_only=True)
class Witness:
    """Args:
    title: what its file says it is for.
    objective: what is minimised, with the network in it.
    answers: the right answer's number for every question, by the picture's number; -1 where there is none.
    questions, scenes: what its file asks of made pictures, and a real scene of each, uint8 (N, 3, S, S).
    """

    title: str
    objective: Answering
    answers: Callable[[int], Mapping[str, int]]
    questions: Sequence[Question]
    scenes: Tensor
    name: str = "witness"

    def parts(self) -> Mapping[str, nn.Module]:
        return {"witness": self.objective.witness}

    def meaning(self) -> str:
        return repr(self.objective.witness.config)

    def roles(self) -> Mapping[str, Sequence[nn.Module]]:
        return {"model": self.networks()}

    def networks(self) -> Sequence[nn.Module]:
        return [self.objective.witness]

    def copied(self) -> Self:
        return replace(self, objective=self.objective.of(copied(self.objective.witness)))

    def check(self) -> None: ...

    def example(self, batch: Batch, order: Order, step: int, random: torch.Generator) -> Example:
        right = [self.answers(index) for index in batch.indices]
        return Example(floats(batch.images, on_device(self)), self._tensors(right), random)

    @torch.no_grad()
    def sheet(self, batch: Batch, order: Order, step: int) -> Tensor:
        """The pictures as the network gets them."""
        media, augment = floats(batch.images[:SHOWN], on_device(self)), self.objective.augment
        seen = augment(media, generator(order.seed, step, on_device(self))) if augment else media
        return captioned(list(to_bytes(seen).cpu()), batch.captions[:SHOWN])

    @torch.no_grad()
    def heldout(self, pictures: Pictures) -> float:
        """The mean cross entropy over the questions, nothing varied."""
        told, right = self._told(pictures)
        return float(torch.stack([error(told[name], right[name]) for name in told]).mean())

    @torch.no_grad()
    def accuracy(self, pictures: Pictures) -> dict[str, float]:
        """The share of right answers to each question, where there is one."""
        told, right = self._told(pictures)
        asked = {name: right[name] != UNASKED for name in told}
        found = {name: (told[name].argmax(1) == right[name])[asked[name]].float() for name in told}
        return {name: float(hits.mean()) if len(hits) else 0.0 for name, hits in found.items()}

    @torch.no_grad()
    def preview(self) -> Tensor | None:
        """Scenes of the questions, under what was asked for, and whether the network finds it there."""
        chosen = [k * len(self.questions) // SHOWN for k in range(SHOWN)] if self.questions else []
        asked = [self.questions[k] for k in dict.fromkeys(chosen)]
        if not asked:
            return None
        pictures = self.scenes[list(dict.fromkeys(chosen))]
        found = answered(self.objective.witness, asked, pictures)
        told = [f"{each.question.prompt}: {'yes' if each.right else 'no'}" for each in found]
        return captioned(list(pictures.cpu()), told)

    def export(self, steps: int, dtype: torch.dtype) -> tuple[dict[str, Tensor], dict[str, str]]:
        said = {"title": self.title, "steps": str(steps)}
        tensors, metadata = export_parts(self.parts(), dtype, said)
        return tensors, metadata | stated(answered(self.objective.witness, self.questions, self.scenes))

    def _told(self, pictures: Pictures) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Logits and right answers, by question, on the CPU."""
        seen = [self.objective.witness(floats(some, on_device(self))) for some in pictures.images.split(TOGETHER)]
        told = {name: torch.cat([part[name] for part in seen]).cpu() for name in seen[0]}
        return told, self._tensors([json.loads(tags[ANSWERS]) for tags in pictures.tags])

    def _tensors(self, right: Sequence[Mapping[str, int]]) -> dict[str, Tensor]:
        names = self.objective.witness.config.questions
        return {name: torch.tensor([answers[name] for answers in right]) for name in names}
