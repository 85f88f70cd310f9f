"""Questions about pictures whose right answers are known: the cross entropy of each, and their mean."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.data.augment import Augment
from unnoise.networks.witness import Witness
from unnoise.train.objective import Example, Loss
from unnoise.train.precision import computing

UNASKED = -1


@dataclass(frozen=True, kw_only=True)
class Answering:
    """Args:
    witness: what is trained.
    augment: how pictures are varied; None for not at all. No more than leaves every answer right.
    autocast: the floating-point type it computes in where the machine is quick in it, its weights staying
        float32; None for theirs.
    """

    witness: Witness
    augment: Augment | None = field(default_factory=lambda: Augment(shift=0.02, scale=0.05, ground=0.0))
    autocast: torch.dtype | None = None

    def of(self, witness: Witness) -> "Answering":
        """The same objective for another witness."""
        return replace(self, witness=witness)

    def __call__(self, example: Example) -> Iterator[Loss]:
        data = self.augment(example.data, example.random) if self.augment else example.data
        with computing(data, self.autocast):
            told = self.witness(data)
        answers: Mapping[str, Tensor] = example.tokens
        losses = {name: error(logits, answers[name].to(logits.device)) for name, logits in told.items()}
        value = torch.stack(list(losses.values())).mean()
        yield Loss("model", value, {name: loss.detach() for name, loss in losses.items()})


def error(logits: Tensor, answers: Tensor) -> Tensor:
    """The mean cross entropy of logits (B, K) over those that have a right answer (B,); nothing where none has."""
    known = (answers != UNASKED).sum().clamp(min=1)
    return F.cross_entropy(logits.float(), answers, ignore_index=UNASKED, reduction="sum") / known
