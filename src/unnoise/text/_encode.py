"""What conditioners of large text encoders share: prompts as rows of tokens, encoders run over them, learnt words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from unnoise.core.model import Wish
from unnoise.networks.clip_text import CLIPText
from unnoise.networks.t5 import T5
from unnoise.nn.view import replaced
from unnoise.text._words import Words


@dataclass(frozen=True)
class _Text:
    encoder: Any
    words: Words

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", self.words.within(self.encoder.config.vocabulary))


@dataclass(frozen=True)
class CLIP(_Text):
    """A CLIP text encoder and its tokenizer.

    Raises:
        Refused: the tokenizer's marks are none that the encoder knows.
    """

    encoder: CLIPText


@dataclass(frozen=True)
class T5Text(_Text):
    """A T5 encoder and its tokenizer. Raises as `CLIP` does."""

    encoder: T5


class Tokens(NamedTuple):
    """Rows of tokens (B, L), and how many of each row's are its own; the rest fills up to the longest."""

    ids: Tensor
    lengths: tuple[int, ...]

    @property
    def even(self) -> bool:
        return min(self.lengths) == self.ids.shape[1]


def in_windows(words: Words, wishes: Sequence[Wish], window: int) -> Tokens:
    """Every wish's prompt in as many windows as it needs, laid end to end: no word is dropped."""
    rows = [[i for row in words.windows(wish.prompt, window) for i in row] for wish in wishes]
    return _even(rows, words.pad)


def in_line(words: Words, wishes: Sequence[Wish], step: int) -> Tokens:
    """Every wish's prompt as one row, as long as it needs, in multiples of `step`."""
    return _even([words.line(wish.prompt, step) for wish in wishes], words.pad)


def counted(tokens: Tokens, least: int, device: torch.device) -> Tensor | None:
    """Which tokens count, (B, L): None where all rows have the least length, as most prompts do."""
    if max(tokens.lengths) == least:
        return None
    own = torch.tensor(tokens.lengths, device=device)
    return torch.arange(tokens.ids.shape[1], device=device) < own[:, None]


def clip_states(encoder: CLIPText, tokens: Tokens, skip: int, norm: bool) -> Tensor:
    """States (B, L, width), zero where no own token is."""
    flat = tokens.ids.to(encoder.place.device).reshape(-1, encoder.config.positions)
    return _own(encoder.states(flat, skip, norm).reshape(*tokens.ids.shape, -1), tokens)


def clip_both(encoder: CLIPText, tokens: Tokens, skip: int) -> tuple[Tensor, Tensor]:
    """States before the final norm (B, L, width), zero where no own token is; and the first window's pooled vector."""
    flat = tokens.ids.to(encoder.place.device).reshape(-1, encoder.config.positions)
    states, pooled = encoder(flat, skip, norm=False)
    batch = len(tokens.ids)
    return _own(states.reshape(*tokens.ids.shape, -1), tokens), pooled.reshape(batch, -1, pooled.shape[-1])[:, 0]


def t5_states(encoder: T5, tokens: Tokens) -> Tensor:
    """States (B, L, width), zero where no own token is: each row is read at its own length, as if alone."""
    ids = tokens.ids.to(encoder.place.device)
    if tokens.even:
        return encoder(ids)
    rows = [encoder(row[None, :own]) for row, own in zip(ids, tokens.lengths, strict=True)]
    return torch.cat([nn.functional.pad(row, (0, 0, 0, ids.shape[1] - row.shape[1])) for row in rows])


class Teachable(Protocol):
    """A conditioner that keeps its tokenizers by the names of its encoders."""

    words: dict[str, Words]


C = TypeVar("C", bound=Teachable)


def widths(conditioner: Teachable) -> list[int]:
    """How wide the vectors of each of its text encoders are, in their order."""
    return [getattr(conditioner, name).config.width for name in conditioner.words]


def taught(conditioner: C, words: Sequence[str], vectors: Sequence[Tensor]) -> C:
    """A conditioner that reads the vectors (N, width), one tensor an encoder, wherever a prompt has one of the words.

    It shares all else with the one given, which stays as it is.
    """
    parts: dict[str, nn.Module] = {}
    known = dict(conditioner.words)
    for name, each in zip(conditioner.words, vectors, strict=True):
        place = "words" if isinstance(getattr(conditioner, name), T5) else "embeddings.token_embedding"
        table = cast(nn.Module, conditioner).get_submodule(f"{name}.{place}")
        made = Learnt(cast(Any, table), each)
        parts[f"{name}.{place}"] = made
        for word in words:
            known[name] = known[name].knowing(word, range(made.first, made.num_embeddings))
    made = replaced(cast(Any, conditioner), parts)
    made.words = known
    return made


class Learnt(nn.Module):
    """A table of tokens' vectors, and more of them behind it."""

    def __init__(self, table: "nn.Embedding | Learnt", vectors: Tensor) -> None:
        super().__init__()
        self.table, self.first = table, table.num_embeddings
        self.num_embeddings = self.first + len(vectors)
        self.register_buffer("vectors", vectors.to(table.weight), persistent=False)

    @property
    def weight(self) -> Tensor:
        """The vectors that were there before: what tells where and in which type they are."""
        return self.table.weight

    def forward(self, ids: Tensor) -> Tensor:
        """(B, L) -> (B, L, width)"""
        ids = ids.to(self.weight.device)
        learnt = nn.functional.embedding((ids - self.first).clamp(min=0), cast(Tensor, self.vectors))
        return torch.where((ids >= self.first)[..., None], learnt, self.table(ids.clamp(max=self.first - 1)))


def _even(rows: Sequence[list[int]], pad: int) -> Tokens:
    longest = max(map(len, rows))
    return Tokens(torch.tensor([row + [pad] * (longest - len(row)) for row in rows]), tuple(map(len, rows)))


def _own(states: Tensor, tokens: Tokens) -> Tensor:
    if tokens.even:
        return states
    mask = counted(tokens, 0, states.device)
    return states if mask is None else states * mask[..., None]
