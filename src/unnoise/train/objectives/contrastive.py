"""Pictures and words of the same thing belong together, those of other things in the batch do not.

The cross entropy of each picture over the batch's words and of each word over its pictures (Radford et al. 2021, fig.
3), with a learned temperature. Several pictures of one thing, in several styles, are no wrong answers to one another:
they share what is right among themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.data.augment import Augment
from unnoise.networks.eye import Eye, direction
from unnoise.text.transformer import Tokens, TransformerConditioner
from unnoise.train.objective import Example, Loss
from unnoise.train.precision import computing

LARGEST = 100.0
"""How much an angle counts at most, as in CLIP: more would make training unstable."""


class Named(NamedTuple):
    """A batch's words, and which thing each picture shows: a number (B,), the same for the same thing."""

    tokens: Tokens
    things: Tensor


@dataclass(frozen=True, kw_only=True)
class Contrastive:
    """Args:
    eye, text: what is trained.
    augment: how pictures are varied; None for not at all.
    autocast: the floating-point type they compute in, their weights staying float32, where the machine is quick
        in it; None for theirs.
    """

    eye: Eye
    text: TransformerConditioner
    augment: Augment | None = field(default_factory=Augment)
    autocast: torch.dtype | None = None

    def of(self, eye: Eye, text: TransformerConditioner) -> "Contrastive":
        """The same objective for other modules."""
        return replace(self, eye=eye, text=text)

    def __call__(self, example: Example) -> Iterator[Loss]:
        named: Named = example.tokens
        data = self.augment(example.data, example.random) if self.augment else example.data
        with computing(data, self.autocast):
            pictures, words = self.eye(data), self.words(named.tokens)
        scores = self.scores(pictures, words)
        things = named.things.to(scores.device)
        same = things[:, None] == things
        right = same / same.sum(1, keepdim=True)  # symmetric: sharers share alike
        loss = (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2
        found = same.gather(1, scores.argmax(1, keepdim=True)).float()
        yield Loss("model", loss, {"found": found.mean().detach()})

    def words(self, tokens: Tokens) -> Tensor:
        """Directions (B, out) of words."""
        return direction(self.text(tokens).tensors()["pooled"])

    def scores(self, pictures: Tensor, words: Tensor) -> Tensor:
        """How well each picture (N, out) fits each of the words (M, out), (N, M): logits."""
        return pictures @ words.T * self.eye.log_scale.exp().clamp(max=LARGEST)
