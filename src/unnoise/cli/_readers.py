"""How one word of the command line becomes a field's value, by the field's type."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin


@dataclass(frozen=True)
class Reader:
    """How a field's words become its value.

    Args:
        metavar: what stands for the value in the help.
        read: one word's value; raises ValueError where it is none.
        wanted: what a value is, for the error.
        many: whether it takes any number of words, as a tuple.
    """

    metavar: str
    read: Callable[[str], Any]
    wanted: str = "text"
    many: bool = False


def reader(hint: Any) -> Reader:
    """The reader of a type: int, float, str, Path, a Literal of texts, one of them or None, or a tuple of one."""
    kinds = [k for k in get_args(hint) if k is not NoneType]
    if get_origin(hint) is tuple:
        inner = reader(kinds[0])
        return Reader(f"{inner.metavar} ...", inner.read, inner.wanted, many=True)
    if get_origin(hint) is Literal:
        return Reader("|".join(kinds), lambda word: kinds[kinds.index(word)], f"one of {', '.join(kinds)}")
    if len(kinds) == 1:
        return reader(kinds[0])
    return _PLAIN.get(hint, Reader("" if hint is bool else "TEXT", str))


def _real(word: str) -> float:
    value = float(word)
    if not abs(value) < float("inf"):
        raise ValueError
    return value


def _path(word: str) -> Path:
    if "\0" in word or not word:
        raise ValueError
    return Path(word).expanduser()


_PLAIN: dict[Any, Reader] = {
    int: Reader("N", int, "a whole number"),
    float: Reader("X", _real, "a finite number"),
    Path: Reader("PATH", _path, "a path"),
}
