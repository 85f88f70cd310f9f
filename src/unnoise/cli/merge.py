"""Merge models into one, as the weighted sum of their tensors."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from unnoise.catalogue import find
from unnoise.cli._parse import parse
from unnoise.cli._places import beside
from unnoise.cli._show import say, say_json
from unnoise.core.error import Refused


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Merge models into one, as the weighted sum of their tensors.

    unnoise merge a.safetensors:0.7 b.safetensors:0.3 --out ab.safetensors

    unnoise merge a.safetensors:0.7 b.safetensors:0.3 --block IN00-IN05=0 --block MID=1 --out ab.safetensors

    unnoise merge mine.safetensors:1 new.safetensors:1 old.safetensors:-1 --out both.safetensors

    Args:
        what: Models in files of one layout, FILE:WEIGHT each; the weights add up to 1, and are equal by default.
        out: The .safetensors file to write; it has the first model's layout and type.
        block: The second of two models' share in a block of the U-Net, IN00 to IN11, MID or OUT00 to OUT11, in BASE for
            all else, or in tensors by a name with stars: BLOCK=SHARE or BLOCK-BLOCK=SHARE; may be given again.
        json: One JSON object on standard output, and nothing else there.
    """

    what: tuple[str, ...] = ()
    out: str = field(metadata={"metavar": "FILE"})
    block: tuple[str, ...] = field(default=(), metadata={"metavar": "BLOCK=SHARE", "repeated": True})
    json: bool = False


def command(args: list[str]) -> int:
    asked = parse(Asked, args, "unnoise merge")
    path = cast(Path, beside(asked.out, (".safetensors",), "out", 1))
    named = [_file(word) for word in asked.what]
    if len(named) < 2:
        raise Refused("MODELS to merge are missing", "name two or more, FILE:WEIGHT each", "what")
    if any(weight is None for _, weight in named) and any(weight is not None for _, weight in named):
        raise Refused("only some of the models have a weight", "give one to each, or to none", "what")
    files = [(find(name), 1 / len(named) if weight is None else weight) for name, weight in named]
    shares = [_share(word) for word in asked.block]
    from unnoise.adapters.merge import Block, merged
    from unnoise.weights.safetensors_writer import write_safetensors

    lazy, metadata = merged(files, [Block(pattern, share) for pattern, share in shares])
    write_safetensors(path, lazy, metadata)
    if asked.json:
        say_json(event="merged", path=str(path), tensors=len(lazy.like))
    else:
        say(str(path))
    return 0


def _file(word: str) -> tuple[str, float | None]:
    name, colon, last = word.rpartition(":")
    try:
        return (name, _number(last)) if colon else (word, None)
    except ValueError:
        return word, None


def _share(word: str) -> tuple[str, float]:
    pattern, equals, share = word.rpartition("=")
    try:
        if equals and pattern:
            return pattern, _number(share)
    except ValueError:
        pass
    raise Refused(f"--block cannot be '{word[:60]}'", "write BLOCK=SHARE, such as MID=0.5 or IN00-IN05=0", "block")


def _number(text: str) -> float:
    value = float(text)
    if not abs(value) < 100:
        raise ValueError
    return value
