"""Which caption a picture gets this time, out of what is known of it.

A model that has seen a picture under one fixed caption wants that caption back word for word. Emoji sets know a name, a
style phrase and keywords, and people will type "a red apple": so all of these are drawn, by chance.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Protocol

_BARE = frozenset(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"))
_TAKEN = frozenset(("a", "an", "the", "no", "my", "some"))
_PLURAL = re.compile(
    r"\b(wo)?men$|people$|(?<![siuo])(?<!\blen)(?<!\bga)(?<!canva)s$"
)  # not class, iris, bus, rhinoceros
_A = re.compile(r"uni([^nm]|$)|u[bks][aeiu]|ut[ei]|eu|ewe|once|one")
_AN = re.compile(r"[aeiou]|hour|honest|honou?r|heir|x-|8|11\b|18\b")
_SIDED = re.compile(
    r"\b(?:left|right|leftwards|rightwards|clockwise|moon|o'clock|thirty|clock|chart|button|keycap|map|globe|points|ZZZ"
    r"|notes?|\d+\w*)\b"
)


class Choose(Protocol):
    """One caption out of a picture's captions and tags; "" for a picture nobody described."""

    def __call__(self, captions: tuple[str, ...], tags: Mapping[str, str], draw: Random, /) -> str: ...


@lru_cache(maxsize=8192)
def sided(text: str) -> bool:
    """Whether a picture of these words mirrored would no longer be one, as a waxing moon or three o'clock."""
    return bool(_SIDED.search(text))


def first(captions: tuple[str, ...], tags: Mapping[str, str], draw: Random) -> str:
    """The first caption, always."""
    return captions[0] if captions else ""


def any_of(captions: tuple[str, ...], tags: Mapping[str, str], draw: Random) -> str:
    """Any of the captions, each as likely."""
    return draw.choice(captions) if captions else ""


@dataclass(frozen=True, kw_only=True)
class Variants:
    """Captions for pictures with a `name` and perhaps a style phrase and `keywords`; `any_of` for others.

    The style phrase is what the first caption adds to the name ("red apple, fluent 3d emoji, glossy 3d render").

    Args:
        name, styled, detailed, keywords: how often a caption is the name alone, the name and the style phrase or a
            part of it, the name and two keywords, or up to four keywords alone; relative weights.
        article: how often a name gets an article where English wants one, 0 to 1.
    """

    name: float = 0.4
    styled: float = 0.35
    detailed: float = 0.15
    keywords: float = 0.1
    article: float = 0.4

    def __call__(self, captions: tuple[str, ...], tags: Mapping[str, str], draw: Random) -> str:
        name = tags.get("name", "")
        if not name:
            return any_of(captions, tags, draw)
        style, words = _style(name, captions), _keywords(tags)
        called = with_article(name) if draw.random() < self.article else name
        weights = (self.name, self.styled * bool(style), self.detailed * bool(words), self.keywords * (len(words) > 1))
        if not any(weights):
            return called
        match draw.choices(("name", "styled", "detailed", "keywords"), weights)[0]:
            case "styled":
                return f"{called}, {draw.choice([', '.join(style), *style])}"
            case "detailed":
                return ", ".join([called, *draw.sample(words, min(2, len(words)))])
            case "keywords":
                return ", ".join(draw.sample(words, min(4, len(words))))
            case _:
                return called


def with_article(name: str) -> str:
    """The name as a person would ask for it, "an umbrella"; as it is where an article would be wrong.

    Left alone are proper names and signs (a capital letter first), numbers, plurals, and names that are lists.
    """
    opening = name.split(" ", 1)[0]
    head = re.split(r" (?:of|in|with|and|on|without) ", name, maxsplit=1)[0]
    plural = _PLURAL.search(head)
    if not opening[:1].islower() or opening in _BARE | _TAKEN or "," in name or plural:
        return name
    return f"{'an' if _AN.match(name) and not _A.match(name) else 'a'} {name}"


def _style(name: str, captions: tuple[str, ...]) -> list[str]:
    full = captions[0] if captions else ""
    return full[len(name) + 2 :].split(", ") if full.startswith(name + ", ") else []


def _keywords(tags: Mapping[str, str]) -> list[str]:
    words = tags.get("keywords", "").split(", ")
    return [word for word in dict.fromkeys(words) if re.fullmatch(r"[^\W\d_]+(?:[ '-][^\W\d_]+)*", word)]
