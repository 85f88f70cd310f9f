"""Make pictures from words."""

from dataclasses import dataclass, field

from unnoise.cli._make import make
from unnoise.cli._options import Machine, Output
from unnoise.cli._parse import parse
from unnoise.tasks.generate import Generate


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Make pictures from words.

    unnoise generate "a red fox" --count 4 --out foxes/
    """

    picture: Generate
    output: Output = field(default_factory=Output)
    machine: Machine = field(default_factory=Machine)


def command(args: list[str]) -> int:
    asked = parse(Asked, args, "unnoise generate")
    return make(asked.picture, asked.output, asked.machine)
