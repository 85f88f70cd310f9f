"""A judge: a picture tower and a text tower, trained on real pictures and their words to tell which belong together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.core.model import Wish
from unnoise.data.batches import Batch, Order
from unnoise.data.pictures import Pictures
from unnoise.evaluate.bootstrap import grouped
from unnoise.evaluate.retrieval import called
from unnoise.media.image import to_bytes
from unnoise.train.loop import generator
from unnoise.train.objective import Example
from unnoise.train.objectives.contrastive import Contrastive, Named
from unnoise.train.sheets import SHOWN, captioned
from unnoise.train.subject import copied, floats, on_device
from unnoise.weights.parts import export_parts

TOGETHER = 64


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Args:
    title: what its file says it is for.
    objective: what is minimised, with the two towers in it.
    things: a number for each training picture (N,), the same for the same thing.
    shown: pictures that the preview names, each among the names of all of them.
    """

    title: str
    objective: Contrastive
    things: Tensor
    shown: Pictures | None = None
    name: str = "judge"

    def parts(self) -> Mapping[str, nn.Module]:
        return {"eye": self.objective.eye, "text": self.objective.text}

    def meaning(self) -> str:
        return self.objective.text.vocabulary

    def roles(self) -> Mapping[str, Sequence[nn.Module]]:
        return {"model": list(self.parts().values())}

    def networks(self) -> Sequence[nn.Module]:
        return [self.objective.eye]

    def copied(self) -> Self:
        objective = self.objective
        return replace(self, objective=objective.of(copied(objective.eye), copied(objective.text)))

    def check(self) -> None: ...

    def example(self, batch: Batch, order: Order, step: int, random: torch.Generator) -> Example:
        tokens = self.objective.text.prepare([Wish(caption) for caption in batch.captions])
        return Example(floats(batch.images, on_device(self)), Named(tokens, self.things[batch.indices]), random)

    @torch.no_grad()
    def sheet(self, batch: Batch, order: Order, step: int) -> Tensor:
        """The pictures as the eye gets them: moved, lit, and on another ground here and there."""
        media, augment = floats(batch.images[:SHOWN], on_device(self)), self.objective.augment
        seen = augment(media, generator(order.seed, step, on_device(self))) if augment else media
        return captioned(list(to_bytes(seen).cpu()), batch.captions[:SHOWN])

    @torch.no_grad()
    def heldout(self, pictures: Pictures) -> float:
        """The mean cross entropy of each picture's name among all their names, nothing varied."""
        known = names(pictures)
        right = torch.tensor([known.index(name) for name in called(pictures)])
        return float(F.cross_entropy(self._scores(pictures, known), right))

    @torch.no_grad()
    def preview(self) -> Tensor | None:
        """Pictures, under the name that each is taken for."""
        if self.shown is None:
            return None
        known = names(self.shown)
        found = self._scores(self.shown, known).argmax(1)
        return captioned(list(self.shown.images.cpu()), [known[k] for k in found.tolist()])

    def export(self, steps: int, dtype: torch.dtype) -> tuple[dict[str, Tensor], dict[str, str]]:
        said = {"title": self.title, "steps": str(steps)}
        return export_parts(self.parts(), dtype, said, self.objective.text.vocabulary)

    def _scores(self, pictures: Pictures, known: Sequence[str]) -> Tensor:
        """How well each picture fits each name, (N, M), on the CPU."""
        objective = self.objective
        some = [known[k : k + TOGETHER] for k in range(0, len(known), TOGETHER)]
        words = [objective.words(objective.text.prepare([Wish(name) for name in part])) for part in some]
        seen = [objective.eye(floats(part, on_device(self))) for part in pictures.images.split(TOGETHER)]
        return objective.scores(torch.cat(seen), torch.cat(words)).cpu()


def names(pictures: Pictures) -> list[str]:
    """The names that there are, each once, in their order."""
    return list(dict.fromkeys(called(pictures)))


def things_of(pictures: Pictures) -> Tensor:
    """A number for each picture (N,), the same for those of one name."""
    return grouped(called(pictures))
