"""How strong an adapter is: one number, or one a part of the model. Imports no torch.

A spec is FILE, FILE:0.8 or FILE:text=0.5,network=1; what follows the last colon is a strength where it reads as one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from unnoise.core.error import Refused

PARTS = ("network", "text")
MOST = 100.0


@dataclass(frozen=True)
class Strength:
    """Args:
    whole: of every part that has none of its own.
    parts: network or text -> its own.
    """

    whole: float = 1.0
    parts: Mapping[str, float] = field(default_factory=dict[str, float])

    def of(self, part: str) -> float:
        """Of a part by its full name; text_2 is text, too."""
        return self.parts.get(part.split("_")[0], self.whole)

    def __str__(self) -> str:
        return ",".join(f"{k}={v:g}" for k, v in sorted(self.parts.items())) or f"{self.whole:g}"


@dataclass(frozen=True)
class Wanted:
    """An adapter that a request asks for: its name or file, and how strong."""

    name: str
    strength: Strength = Strength()

    def __str__(self) -> str:
        return f"{self.name}:{self.strength}"


def parsed(spec: str, field: str = "lora") -> Wanted:
    """NAME, NAME:WEIGHT or NAME:part=WEIGHT,... as an adapter and its strength.

    Raises:
        Refused: it names nothing, a part is none of network and text, or a weight is out of range.
    """
    name, colon, last = spec.rpartition(":")
    strength = _strength(last, spec, field) if colon else None
    name, strength = (spec, Strength()) if strength is None else (name, strength)
    if not name or "\0" in name:
        raise Refused(f"--{field} {spec[:80]!r} names no file", "write FILE or FILE:WEIGHT", field)
    return Wanted(name, strength)


def _strength(text: str, spec: str, field: str) -> Strength | None:
    """A strength, or None where the text is none and so part of the file's name."""
    if "=" not in text:
        number = _number(text)
        return None if number is None else Strength(_checked(number, spec, field))
    pairs = [pair.partition("=") for pair in text.split(",")]
    parts: dict[str, float] = {}
    for name, _, value in pairs:
        number = _number(value)
        if name not in PARTS or number is None or name in parts:
            raise Refused(f"--{field} {spec[:80]!r} has {f'{name}={value}'[:40]!r}", "write network=1,text=0.5", field)
        parts[name] = _checked(number, spec, field)
    return Strength(1.0, parts)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _checked(number: float, spec: str, field: str) -> float:
    if not math.isfinite(number) or abs(number) > MOST:
        raise Refused(f"--{field} {spec[:80]!r} has a weight out of range", f"from {-MOST:g} to {MOST:g}", field)
    return number
