"""Measure a model, or pictures made elsewhere, beside real pictures: figures, and a page that shows them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unnoise.catalogue import Shelf
from unnoise.cli import _places as places
from unnoise.cli._options import Machine
from unnoise.cli._parse import parse
from unnoise.cli._shelf import shelved
from unnoise.cli._show import note
from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.tasks._plan import check_number, check_seeds
from unnoise.tasks.generate import Generate

USUAL = ("wavelet", "pixels")


@dataclass(frozen=True)
class Maker:
    """A model that draws: the request that all pictures share, its library, and what it is."""

    task: Generate
    shelf: Shelf
    description: Description


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Measure a model, or pictures made elsewhere, against real pictures.

    unnoise evaluate MODEL --data DIR

    unnoise evaluate --pictures DIR --data DIR

    unnoise evaluate --data DIR

    The model draws as many pictures that it was trained on as that it never saw, by their captions; the same command
    again goes on where it stopped. Each figure has the interval that holds 95 of 100 resamples of its pictures, and
    beside it the same figure of real pictures, which no model can be expected to pass. Without a model and pictures the
    data alone are looked at.

    Args:
        model: A model's name or file.
        data: The pictures it was trained on, and those held out.
        pictures: A folder of pictures made elsewhere, with captions or without.
        only: Pictures of the data that have this tag; may be given again, for other values too.
        leave: Pictures of the data to leave out, by a tag.
        count: How many pictures to make.
        seed: The first picture's seed, and of all that is drawn.
        steps: How many steps each takes; the model's own number by default.
        guidance: How closely to follow the prompt.
        sampler: The sampling method, NAME:option=value,...
        spacing: How steps are laid along the noise, NAME:option=value,...
        captions: Ask by names, or by full captions; the latter by default where the data come in several styles.
        features: Ways of seeing pictures, by name or a network's file.
        measures: What to measure, NAME:option=value,...; everything that there is what it takes for by default.
        rounds: Resamples behind each interval.
        out: A folder for the pictures, the figures and the page; out/evaluate-MODEL by default, or
            out/evaluate-pictures-DIR, out/evaluate-data-DIR. Figures of other measures that are there stay.
        json: One JSON object a line on standard output, and nothing else there.
        quiet: No progress, only the figures.
    """

    model: str = field(default="", metadata={"named": False, "metavar": "[MODEL]"})
    data: str = field(default="", metadata={"metavar": "DIR"})
    pictures: str | None = field(default=None, metadata={"named": True, "metavar": "DIR"})
    only: tuple[str, ...] = field(default=(), metadata={"metavar": "TAG=VALUE ..."})
    leave: tuple[str, ...] = field(default=(), metadata={"metavar": "TAG=VALUE ..."})
    count: int = 32
    seed: int = 0
    steps: int | None = None
    guidance: str | None = None
    sampler: str | None = None
    spacing: str | None = None
    captions: Literal["name", "full"] | None = None
    features: tuple[str, ...] = field(default=USUAL, metadata={"metavar": "NAME|FILE ..."})
    measures: tuple[str, ...] = field(default=(), metadata={"metavar": "NAME ..."})
    rounds: int = 200
    out: str | None = field(default=None, metadata={"metavar": "DIR"})
    json: bool = False
    quiet: bool = False
    machine: Machine = field(default_factory=Machine)


def command(args: list[str]) -> int:
    asked = parse(Asked, args, "unnoise evaluate")
    _check(asked)
    folder = _folder(asked)
    maker = _maker(asked) if asked.model else None
    places.probe(folder)
    from unnoise.cli._case import gathered
    from unnoise.cli._figures import keep, measured

    made = gathered(asked, maker, folder)
    for text in made.notes:
        note(text, asked.json, asked.quiet)
    return keep(asked, folder, made, measured(asked, made.case))


def _check(asked: Asked) -> None:
    """See what can be seen before anything is read.

    Raises:
        Refused: a value is none, or two say different things.
    """
    if not asked.data:
        raise Refused("--data is missing", "name the folder of real pictures to compare with", "data")
    if asked.model and asked.pictures:
        what = "a model and --pictures are two things to measure"
        raise Refused(what, "leave one out", "pictures")
    check_number(asked.count, 2, 100_000, "count")
    check_seeds(asked.seed, asked.count)
    check_number(asked.rounds, 2, 100_000, "rounds")
    if not asked.model:
        given = [name for name in ("steps", "guidance", "sampler", "spacing") if getattr(asked, name) is not None]
        if given:
            raise Refused(f"--{given[0]} is of a model, and none is named", "unnoise evaluate MODEL ...", given[0])
    for name in ("only", "leave"):
        if wrong := [word for word in getattr(asked, name) if not word.partition("=")[1]]:
            raise Refused(f"--{name} {wrong[0][:60]} names no tag's value", f"--{name} style=noto, say", name)
    from unnoise.evaluate.measures import MEASURES

    for spec in asked.measures:
        MEASURES.make(spec)


def _folder(asked: Asked) -> Path:
    if asked.out is not None:
        return places.user_path(asked.out, "--out")
    named = Path(asked.model or asked.pictures or asked.data).expanduser()
    kind = "" if asked.model else "pictures-" if asked.pictures else "data-"
    return Path("out") / f"evaluate-{kind}{named.stem or named.resolve().name}"


def _maker(asked: Asked) -> Maker:
    """The model, and what all its pictures share, checked against what it can do."""
    shared = {name: getattr(asked, name) for name in ("steps", "guidance", "sampler", "spacing")}
    (task,), shelf = shelved([Generate(prompt="", model=asked.model, seed=asked.seed, **shared)], asked.machine)
    description = shelf.describe(task.model)
    plan = task.plan(description)
    if plan.width != plan.height:
        what = f"the model '{task.model}' draws {plan.width}x{plan.height} pixels, and data are brought to squares"
        raise Refused(what, "evaluate a model of square pictures", "model")
    return Maker(task, shelf, description)
