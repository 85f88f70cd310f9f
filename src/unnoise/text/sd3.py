"""Stable Diffusion 3's three text encoders (Esser et al. 2024, section 4): CLIP L and bigG side by side, T5 behind them
in the same sequence, and the pooled vectors of the two CLIPs as one.

Any of the three may be missing, as the model was trained with each left out at times: zeros stand in its place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unnoise.core.condition import Condition
from unnoise.core.error import Refused
from unnoise.core.model import Wish
from unnoise.text._encode import (
    CLIP,
    T5Text,
    Tokens,
    clip_both,
    counted,
    in_line,
    in_windows,
    t5_states,
    taught,
    widths,
)


@dataclass(frozen=True, kw_only=True)
class SD3Config:
    """Args:
    width: of the network's text tokens.
    large, gigantic: the widths of the CLIPs' states and pooled vectors.
    window: of the CLIPs.
    tokens: of T5; a longer prompt has more, in multiples of as many.
    skip: how many of the CLIPs' last layers are left out.
    """

    width: int = 4096
    large: int = 768
    gigantic: int = 1280
    window: int = 77
    tokens: int = 256
    skip: int = 1


class SD3Texts(NamedTuple):
    """The text encoders that there are, each with its tokenizer."""

    large: CLIP | None = None
    gigantic: CLIP | None = None
    t5: T5Text | None = None


class SD3Tokens(NamedTuple):
    """How many wishes, and each encoder's tokens; None where it is missing."""

    wishes: int
    large: Tokens | None
    gigantic: Tokens | None
    t5: Tokens | None


class SD3Conditioner(nn.Module):
    """Prompts -> a condition with `context` (B, L, width), `pooled` (B, large + gigantic), and `mask` (B, L) where a
    prompt is longer than its encoders' windows.

    Args:
        texts: the encoders, at least one.
        make: the network's condition class.

    Raises:
        Refused: there is no encoder at all.
    """

    def __init__(self, texts: SD3Texts, make: Callable[..., Condition], config: SD3Config | None = None) -> None:
        super().__init__()
        found = {name: text for name, text in texts._asdict().items() if text is not None}
        if not found:
            raise Refused("the model has no text encoder", "give one of the three, with --part text=FILE", "model")
        self.config, self.make = config or SD3Config(), make
        self.large = texts.large.encoder if texts.large else None
        self.gigantic = texts.gigantic.encoder if texts.gigantic else None
        self.t5 = texts.t5.encoder if texts.t5 else None
        self.words = {name: text.words for name, text in found.items()}

    def prepare(self, wishes: Sequence[Wish]) -> SD3Tokens:
        words, c = self.words, self.config
        large, gigantic = (
            in_windows(words[name], wishes, c.window) if name in words else None for name in ("large", "gigantic")
        )
        return SD3Tokens(len(wishes), large, gigantic, in_line(words["t5"], wishes, c.tokens) if self.t5 else None)

    def forward(self, tokens: SD3Tokens) -> Condition:
        c = self.config
        like = next(encoder.place for encoder in (self.large, self.gigantic, self.t5) if encoder is not None)
        side = tokens.large or tokens.gigantic
        length = c.window if side is None else side.ids.shape[1]
        pairs = (
            clip_both(encoder, each, c.skip)
            if encoder is not None and each is not None
            else (like.new_zeros(tokens.wishes, length, width), like.new_zeros(tokens.wishes, width))
            for encoder, each, width in (
                (self.large, tokens.large, c.large),
                (self.gigantic, tokens.gigantic, c.gigantic),
            )
        )
        states, pooled = (torch.cat(parts, -1) for parts in zip(*pairs, strict=True))
        states = nn.functional.pad(states, (0, c.width - states.shape[-1]))
        behind = self._t5(tokens, like)
        mask = self._mask(tokens, length, behind.shape[1], like.device)
        return self.make(context=torch.cat([states, behind.to(states.dtype)], 1), pooled=pooled, mask=mask)

    def _t5(self, tokens: SD3Tokens, like: Tensor) -> Tensor:
        if self.t5 is None or tokens.t5 is None:
            return like.new_zeros(tokens.wishes, self.config.tokens, self.config.width)
        return t5_states(self.t5, tokens.t5)

    def _mask(self, tokens: SD3Tokens, front: int, behind: int, device: torch.device) -> Tensor | None:
        """Which tokens count, of the CLIPs and then of T5; None where no prompt is longer than usual."""
        side = tokens.large or tokens.gigantic
        first = None if side is None else counted(side, self.config.window, device)
        second = None if tokens.t5 is None else counted(tokens.t5, self.config.tokens, device)
        if first is None and second is None:
            return None
        lengths = ((first, front), (second, behind))
        whole = (torch.ones(tokens.wishes, n, dtype=torch.bool, device=device) if m is None else m for m, n in lengths)
        return torch.cat(list(whole), 1)

    @property
    def widths(self) -> Sequence[int]:
        """How wide the vectors of each of its text encoders are, in their order."""
        return widths(self)

    def with_vectors(self, words: Sequence[str], vectors: Sequence[Tensor]) -> "SD3Conditioner":
        """One that reads the vectors (N, width), one tensor an encoder, wherever a prompt has one of the words."""
        return taught(self, words, vectors)
