"""What `--vary FIELD=VALUES` means: the axes of a grid, and a request for each of its cells.

--vary steps=10,20                     two values, parted by commas
--vary "sampler=ddim:eta=0.5,x=1;lms"  with a semicolon anywhere semicolons part, and commas belong to values
--vary "prompt=a cat, asleep;"         one value, for the semicolon at its end
--vary "prompt=a;;b"                   ";;" is a semicolon within a value
--vary spacing=,karras                 an empty value leaves the field out: the model's own
--vary steps=10 --vary steps=20        the same field again adds values
"""

from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from itertools import product
from typing import Any

from unnoise.cli._requests import check_name, kinds, read_word
from unnoise.core.error import Refused
from unnoise.tasks.generate import Generate

MOST = 4096
"""Pictures in one grid."""


@dataclass(frozen=True)
class Axis:
    """A field that varies: its values, and what they are called."""

    field: str
    values: tuple[Any, ...]
    words: tuple[str, ...]

    def label(self, place: int) -> str:
        return f"{self.field} {self.words[place] or '(its own)'}"


@dataclass(frozen=True)
class Cell:
    """One picture of a grid: its place on each axis, and its request."""

    at: tuple[int, ...]
    task: Generate


def axes(words: Sequence[str]) -> tuple[Axis, ...]:
    """The axes that these words name, in their order.

    Raises:
        Refused: a word names no field, or a value is none of its field's.
    """
    given: dict[str, list[str]] = {}
    for word in words:
        name, equals, values = word.partition("=")
        if not equals:
            raise Refused(f"--vary cannot be '{word[:60]}'", "write FIELD=VALUE,VALUE,... such as steps=10,20", "vary")
        name = check_name(name)
        if name == "count":
            raise Refused("count cannot vary", "vary the seed, or give --count for several seeds", "vary")
        given.setdefault(name, []).extend(_parted(values))
    return tuple(_axis(name, found) for name, found in given.items())


def cells(task: Generate, found: tuple[Axis, ...]) -> list[Cell]:
    """A request for each cell, the last axis fastest.

    Raises:
        Refused: there are more than a grid can hold.
    """
    total = 1
    for axis in found:
        total *= len(axis.values)
    if total > MOST:
        raise Refused(f"the grid would have {total:,} pictures", f"vary less: at most {MOST:,}", "vary")
    places = product(*(range(len(axis.values)) for axis in found))
    return [Cell(at, replace(task, count=1, **_fields(found, at))) for at in places]


def _fields(found: tuple[Axis, ...], at: tuple[int, ...]) -> dict[str, Any]:
    return {axis.field: axis.values[place] for axis, place in zip(found, at, strict=True)}


def _parted(text: str) -> Iterator[str]:
    if ";" not in text:
        return (part.strip() for part in text.split(","))
    parts = [part.replace("\0", ";").strip() for part in text.replace(";;", "\0").split(";")]
    return iter(parts[:-1] if len(parts) == 2 and not parts[1] else parts)


def _axis(name: str, words: list[str]) -> Axis:
    if len(words) > MOST:
        raise Refused(f"--vary gives {name} {len(words):,} values", f"vary less: at most {MOST:,}", "vary")
    twice = next((word for k, word in enumerate(words) if word in words[:k]), None)
    if twice is not None:
        raise Refused(f"--vary gives {name} {twice[:60]!r} twice", "give it once", "vary")
    try:
        values = tuple(_value(name, word) for word in words)
    except Refused as fault:
        raise Refused(f"--vary {name}: {fault.what}", fault.remedy, "vary") from None
    return Axis(name, values, tuple(words))


def _value(name: str, word: str) -> Any:
    default = next(f.default for f in fields(Generate) if f.name == name)
    if word or kinds()[name] is str:
        return read_word(name, word)
    if default is MISSING or default is None:
        return None
    if default == ():
        return ()
    raise Refused(f"{name} has an empty value", "give one", name)
