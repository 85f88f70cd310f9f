"""Reading a stranger's config.json: every value of the kind it must be, or refused."""

from collections.abc import Iterable, Mapping
from typing import Any

from unnoise.core.error import Refused

MOST = 2**24


def only(config: Mapping[str, Any], known: Iterable[str]) -> None:
    """See that every setting that is on is known; names with an underscore before them are notes.

    Raises:
        Refused: there is another, which may change what the network computes.
    """
    free = {*known, "sample_size"}
    other = sorted(k for k, v in config.items() if k not in free and not k.startswith("_") and v not in (None, False))
    if other:
        raise Refused(f"config.json has {', '.join(other[:3])}", "no such setting can be honoured here", "model")


def layers(config: Mapping[str, Any], name: str, default: int) -> int:
    """How many layers there are; no network has a thousand. Raises as `whole` does."""
    value = whole(config, name, default)
    if value >= 1000:
        raise bad(name, value, "fewer than a thousand")
    return value


def listed(config: Mapping[str, Any], name: str) -> tuple[Any, ...]:
    """A list of anything; null or nothing is an empty one. Raises as `whole` does."""
    value = config.get(name) or ()
    if not isinstance(value, list | tuple):
        raise bad(name, value, "a list")
    return tuple(value)


def row(names: Iterable[str], stem: str) -> int:
    """How many of a file's layers `stem0.*`, `stem1.*`, ... there are, without a gap; 0 where there is one."""
    found = {name[len(stem) :].split(".", 1)[0] for name in names if name.startswith(stem)}
    return len(found) if found == {str(i) for i in range(len(found))} else 0


def whole(config: Mapping[str, Any], name: str, default: int | None = None, least: int = 1) -> int:
    """A whole number from `least`.

    Raises:
        Refused: it is something else, or missing where there is no default.
    """
    value = config.get(name, default)
    if type(value) is not int or not least <= value <= MOST:
        raise bad(name, value, f"a whole number from {least}")
    return value


def number(config: Mapping[str, Any], name: str, default: float) -> float:
    """A finite number; null means the default. Raises as `whole` does."""
    value = default if config.get(name) is None else config[name]
    if type(value) not in (int, float) or not abs(value) < float("inf"):
        raise bad(name, value, "a number")
    return float(value)


def numbers(config: Mapping[str, Any], name: str) -> tuple[float, ...]:
    """A list of finite numbers; null or nothing is an empty one. Raises as `whole` does."""
    value = config.get(name) or ()
    sound = isinstance(value, list | tuple) and all(type(v) in (int, float) and abs(v) < float("inf") for v in value)
    if not sound:
        raise bad(name, value, "a list of numbers")
    return tuple(map(float, value))


def sizes(config: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """A list of whole numbers from 1, at least one. Raises as `whole` does."""
    value = config.get(name)
    if not isinstance(value, list | tuple) or not value or not all(type(v) is int and 1 <= v <= MOST for v in value):
        raise bad(name, value, "a list of whole numbers")
    return tuple(value)


def flag(config: Mapping[str, Any], name: str, default: bool) -> bool:
    """True or false. Raises as `whole` does."""
    value = config.get(name, default)
    if type(value) is not bool:
        raise bad(name, value, "true or false")
    return value


def one_of(config: Mapping[str, Any], name: str, known: tuple[str, ...], default: str) -> str:
    """A name among those we know. Raises as `whole` does."""
    value = config.get(name, default)
    if value not in known:
        raise bad(name, value, f"one of {', '.join(known)}")
    return value


def bad(name: str, value: Any, wanted: str) -> Refused:
    """What is said of a value that is of no use."""
    return Refused(f"config.json has {name} = {str(value)[:60]!r}", f"only {wanted} can be read here", "model")
