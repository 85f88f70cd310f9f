"""Flux's two text encoders: T5's states for its tokens and CLIP L's pooled vector, of the first 77, for the whole; and
how closely to follow the prompt, where the network was distilled to read that (dev) and not to need it (schnell).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unnoise.core.condition import Condition
from unnoise.core.model import Wish
from unnoise.text._encode import (
    CLIP,
    T5Text,
    Tokens,
    clip_both,
    counted,
    in_line,
    t5_states,
    taught,
    widths,
)


class FluxTokens(NamedTuple):
    """Each encoder's tokens, and the guidance (B,) where the network reads it."""

    clip: Tokens
    t5: Tokens
    guidance: Tensor | None


class FluxConditioner(nn.Module):
    """Prompts -> a condition with `context` (B, L, width), `pooled` (B, width), `guidance` (B,) or None, and `mask`
    (B, L) where a prompt is longer than usual.

    Args:
        clip: L with its tokenizer.
        t5: XXL with its.
        make: the network's condition class.
        tokens: of T5: 512 for dev, 256 for schnell; a longer prompt has more, in multiples of as many.
        guidance: what a wish without one has; None where the network reads none.
    """

    def __init__(
        self,
        clip: CLIP,
        t5: T5Text,
        make: Callable[..., Condition],
        tokens: int = 512,
        guidance: float | None = None,
    ) -> None:
        super().__init__()
        self.clip, self.t5 = clip.encoder, t5.encoder
        self.words = {"clip": clip.words, "t5": t5.words}
        self.make, self.tokens, self.guidance = make, tokens, guidance

    def prepare(self, wishes: Sequence[Wish]) -> FluxTokens:
        window = self.clip.config.positions
        first = [self.words["clip"].windows(wish.prompt, window)[0] for wish in wishes]
        guidance = None
        if self.guidance is not None:
            guidance = torch.tensor([self.guidance if w.guidance is None else w.guidance for w in wishes])
        clip = Tokens(torch.tensor(first), (window,) * len(first))
        return FluxTokens(clip, in_line(self.words["t5"], wishes, self.tokens), guidance)

    def forward(self, tokens: FluxTokens) -> Condition:
        context = t5_states(self.t5, tokens.t5)
        _, pooled = clip_both(self.clip, tokens.clip, 0)
        guidance = None if tokens.guidance is None else tokens.guidance.to(context.device)
        mask = counted(tokens.t5, self.tokens, context.device)
        return self.make(context=context, pooled=pooled.to(context.dtype), guidance=guidance, mask=mask)

    @property
    def widths(self) -> Sequence[int]:
        """How wide the vectors of each of its text encoders are, in their order."""
        return widths(self)

    def with_vectors(self, words: Sequence[str], vectors: Sequence[Tensor]) -> "FluxConditioner":
        """One that reads the vectors (N, width), one tensor an encoder, wherever a prompt has one of the words."""
        return taught(self, words, vectors)
