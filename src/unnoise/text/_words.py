"""A text encoder's tokens: its tokenizer, the marks it puts around a prompt, and words that were learnt later."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from tokenizers import Tokenizer

from unnoise.core.error import Refused
from unnoise.text._stranger import encoded


@dataclass(frozen=True)
class Words:
    """Args:
    tokenizer: cuts a text into tokens.
    begin: the mark before a prompt; None for none.
    end: the mark behind it.
    pad: what fills a window up.
    learnt: words with tokens of their own, which textual inversion adds: the numbers of each one's vectors.
    limit: how many tokens its text encoder knows, without those; None where that is not known yet.
    """

    tokenizer: Tokenizer
    begin: int | None
    end: int
    pad: int
    learnt: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    limit: int | None = None

    def __deepcopy__(self, memo: object) -> "Words":
        """Itself: nothing in it changes, and a vocabulary takes long to copy."""
        return self

    def within(self, limit: int) -> "Words":
        """The same, for a text encoder that knows so many tokens.

        Raises:
            Refused: its marks are not among them; later, when a text has a token that is not.
        """
        made = replace(self, limit=limit)
        made._check([self.end, self.pad] if self.begin is None else [self.begin, self.end, self.pad])
        return made

    def ids(self, text: str) -> list[int]:
        """A text's tokens, without marks.

        Raises:
            Refused: the tokenizer, which is damaged, cannot read it, or its text encoder does not know one.
        """
        if self._parts is None:
            return self._plain(text)
        found: list[int] = []
        for i, part in enumerate(self._parts.split(text)):
            found += self.learnt[self._spelt[part.casefold()]] if i % 2 else self._plain(part)
        return found

    def knowing(self, word: str, tokens: Sequence[int]) -> "Words":
        """The same, with one more word; it is found in any case, where it stands by itself."""
        return replace(self, learnt={**self.learnt, word: tuple(tokens)})

    def windows(self, text: str, length: int) -> list[list[int]]:
        """A text in windows of `length` tokens, each with its own marks and filled up; at least one."""
        room = length - 1 - (self.begin is not None)
        first = [] if self.begin is None else [self.begin]
        ids = self.ids(text)
        pieces = [ids[i : i + room] for i in range(0, len(ids), room)] or [[]]
        rows = [[*first, *piece, self.end] for piece in pieces]
        return [row + [self.pad] * (length - len(row)) for row in rows]

    def line(self, text: str, step: int) -> list[int]:
        """A text as one row with one pair of marks, filled up to a multiple of `step` tokens."""
        row = [*([] if self.begin is None else [self.begin]), *self.ids(text), self.end]
        return row + [self.pad] * (-len(row) % step)

    def _plain(self, text: str) -> list[int]:
        found = encoded(self.tokenizer, text)
        self._check(found)
        return found

    def _check(self, ids: Sequence[int]) -> None:
        if self.limit is not None and max(ids, default=0) >= self.limit:
            what = f"the tokenizer has token {max(ids)}, and its text encoder knows {self.limit}"
            raise Refused(what, "give the model's own with --part tokenizer=PATH", "part")

    @cached_property
    def _spelt(self) -> dict[str, str]:
        return {word.casefold(): word for word in self.learnt}

    @cached_property
    def _parts(self) -> re.Pattern[str] | None:
        """What parts a text at the learnt words, the longest first."""
        if not self.learnt:
            return None
        words = (_alone(word) for word in sorted(self.learnt, key=len, reverse=True))
        return re.compile(f"({'|'.join(words)})", re.IGNORECASE)


def _alone(word: str) -> str:
    """A pattern of a word that no letter goes on from; marks such as "<" end a word by themselves."""
    before = r"(?<!\w)" if re.match(r"\w", word) else ""
    behind = r"(?!\w)" if re.search(r"\w$", word) else ""
    return before + re.escape(word) + behind
