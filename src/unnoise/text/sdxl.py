"""SDXL's two CLIP text encoders (Podell et al. 2023, sections 2.1 and 2.2): their states before the last layer side by
side, and the second's pooled vector with the picture's sizes behind it. The refiner has the second alone, and an
aesthetic score in place of the target size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unnoise.core.condition import Condition
from unnoise.core.model import Wish
from unnoise.nn.embed import sinusoidal
from unnoise.text._encode import CLIP, Tokens, clip_both, clip_states, counted, in_windows, taught, widths

SCORE, NEGATIVE_SCORE = 6.0, 2.5
"""The refiner's aesthetic scores, for what is wanted and for what is not."""


@dataclass(frozen=True, kw_only=True)
class SDXLConfig:
    """Args:
    skip: how many of the encoders' last layers are left out.
    zero: an empty negative prompt is zeros, as the base model was trained, and not the vectors of no words.
    aesthetic: the refiner's scores in place of the target size.
    size: a picture's sides, where a wish has none.
    frequencies: how many numbers each number becomes.
    """

    skip: int = 1
    zero: bool = True
    aesthetic: bool = False
    size: int = 1024
    frequencies: int = 256


class SDXLTokens(NamedTuple):
    """Each encoder's tokens, the numbers about the picture (B, 6 or 5), and which wishes are zeros (B,)."""

    texts: tuple[Tokens, ...]
    sizes: Tensor
    zeros: Tensor


class SDXLConditioner(nn.Module):
    """Prompts -> a condition with `context` (B, L, widths), `pooled` (B, projection + numbers x frequencies), and
    `mask` (B, L) where a prompt has several windows.

    Args:
        first: the encoder L with its tokenizer; None for the refiner.
        second: bigG with its.
        make: the network's condition class.
    """

    def __init__(
        self, first: CLIP | None, second: CLIP, make: Callable[..., Condition], config: SDXLConfig | None = None
    ) -> None:
        super().__init__()
        self.config, self.make = config or SDXLConfig(), make
        self.first = None if first is None else first.encoder
        self.second = second.encoder
        self.words = ({} if first is None else {"first": first.words}) | {"second": second.words}

    def prepare(self, wishes: Sequence[Wish]) -> SDXLTokens:
        texts = tuple(in_windows(each, wishes, self.second.config.positions) for each in self.words.values())
        zeros = [self.config.zero and wish.negative and not wish.prompt for wish in wishes]
        return SDXLTokens(texts, torch.tensor([self._numbers(wish) for wish in wishes]), torch.tensor(zeros))

    def forward(self, tokens: SDXLTokens) -> Condition:
        context, pooled = clip_both(self.second, tokens.texts[-1], self.config.skip)
        if self.first is not None:
            beside = clip_states(self.first, tokens.texts[0], self.config.skip, norm=False)
            context = torch.cat([beside, context], -1)
        wanted = ~tokens.zeros.to(context.device)[:, None]
        context, pooled = context * wanted[..., None], pooled * wanted
        sizes = tokens.sizes.to(context.device)
        told = sinusoidal(sizes.flatten(), self.config.frequencies).reshape(len(sizes), -1)
        mask = counted(tokens.texts[-1], self.second.config.positions, context.device)
        return self.make(context=context, pooled=torch.cat([pooled, told.to(pooled.dtype)], 1), mask=mask)

    def _numbers(self, wish: Wish) -> list[float]:
        """Original height and width, the crop's corner, and the target's height and width or the score."""
        size = [float(wish.height or self.config.size), float(wish.width or self.config.size)]
        score = NEGATIVE_SCORE if wish.negative else SCORE
        return [*size, 0.0, 0.0, *([score] if self.config.aesthetic else size)]

    @property
    def widths(self) -> Sequence[int]:
        """How wide the vectors of each of its text encoders are, in their order."""
        return widths(self)

    def with_vectors(self, words: Sequence[str], vectors: Sequence[Tensor]) -> "SDXLConditioner":
        """One that reads the vectors (N, width), one tensor an encoder, wherever a prompt has one of the words."""
        return taught(self, words, vectors)
