"""Make pictures that differ in chosen settings: a labelled sheet, and a page that shows them all."""

import os
from contextlib import closing
from dataclasses import field, make_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.catalogue import Shelf
from unnoise.cli import _places as places
from unnoise.cli._make import Show
from unnoise.cli._options import Machine, Output
from unnoise.cli._parse import parse
from unnoise.cli._request import WORDS, Source, given, merged
from unnoise.cli._sheet import Made, Sheet, keep
from unnoise.cli._shelf import as_told, shelved
from unnoise.cli._show import note
from unnoise.cli._sources import Base, base
from unnoise.cli._vary import MOST, Axis, Cell, axes, cells
from unnoise.core.error import Refused
from unnoise.core.event import Progress
from unnoise.media.container import PIXELS
from unnoise.tasks._plan import Plan, check_number
from unnoise.tasks.generate import Generate

if TYPE_CHECKING:
    pass

_CELL = 128
"""Pictures smaller than this are enlarged on the sheet, so that their labels fit."""


VARY = {"metavar": "FIELD=VALUE,VALUE,...", "repeated": True}

Asked: Any = make_dataclass(
    "Asked",
    [
        ("picture", WORDS),
        ("vary", tuple[str, ...], field(default=(), metadata=VARY)),
        ("source", Source, field(default_factory=Source)),
        ("sheet", Sheet, field(default_factory=Sheet)),
        ("machine", Machine, field(default_factory=Machine)),
    ],
    frozen=True,
    kw_only=True,
)
Asked.__doc__ = """Make pictures that differ in chosen settings: a labelled sheet, and a page that shows them all.

unnoise grid "a cat" --vary sampler=euler,dpmpp_2m --vary steps=10,20

The first field makes rows and the second columns; more make blocks. --count adds seeds as one more field.
A semicolon anywhere in VALUES parts them instead of commas: "sampler=ddim:eta=0.5,x=1;lms"; ";;" stands for one.

Args:
    vary: A field of a request and the values it takes; may be given again.
"""


def command(args: list[str]) -> int:
    asked = parse(Asked, args, "unnoise grid")
    varied = axes(asked.vary)
    task, taken = _request(asked, varied)
    found, task = _with_seeds(varied, task)
    listed = cells(task, found)
    place = places.place(asked.sheet.out, asked.sheet.format, 1)
    same = not any(axis.field == "model" for axis in varied)
    machine = as_told(asked.machine, taken.reading if same else {})
    tasks, shelf = shelved([cell.task for cell in listed], machine)
    listed = [replace(cell, task=task) for cell, task in zip(listed, tasks, strict=True)]
    plans = [_planned(cell, found, shelf) for cell in listed]
    scale = _scale(plans)
    places.probe(place.folder)
    for text in taken.notes:
        note(text, asked.sheet.json, asked.sheet.quiet)
    made = _run(asked, shelf, list(zip(listed, plans, strict=True)))
    path = _path(place, made[0])
    return keep(asked.sheet, path, found, made, scale)


def _request(asked: Any, varied: tuple[Axis, ...]) -> tuple[Generate, Base]:
    """What the pictures share, and what was taken for it from a preset or a picture, where one is named."""
    said = given(asked.picture)
    if any(axis.field == "prompt" for axis in varied):
        said.setdefault("prompt", "")
    found = base(asked.source, said)
    if found.start is not None or found.draft is not None:
        raise Refused("a grid makes whole pictures", "leave --resume and --refine out", "resume")
    values = dict(found.fields)
    if any(axis.field == "seed" for axis in varied):
        values.pop("seed", None)
    return merged(said, values), found


def _with_seeds(found: tuple[Axis, ...], task: Generate) -> tuple[tuple[Axis, ...], Generate]:
    """Several pictures of one request are an axis of seeds; all others share one seed."""
    check_number(task.count, 1, MOST, "count")
    varied = any(axis.field == "seed" for axis in found)
    if varied and (task.count > 1 or task.seed is not None):
        which = "--count" if task.count > 1 else "--seed"
        raise Refused(f"{which} and --vary seed say two things", f"leave {which} out", which.removeprefix("--"))
    if not found and task.count == 1:
        raise Refused("a grid needs something that varies", "give --vary FIELD=VALUE,VALUE", "vary")
    seed = int.from_bytes(os.urandom(4), "little") if task.seed is None else task.seed
    if task.count > 1:
        seeds = tuple(range(seed, seed + task.count))
        found = (*found, Axis("seed", seeds, tuple(map(str, seeds))))
    return found, replace(task, seed=seed, count=1)


def _planned(cell: Cell, found: tuple[Axis, ...], shelf: Shelf) -> Plan:
    try:
        return cell.task.plan(shelf.describe(cell.task.model))
    except Refused as fault:
        where = ", ".join(axis.label(k) for axis, k in zip(found, cell.at, strict=True))
        raise Refused(f"{where}: {fault.what}", _hint(fault, found), fault.field) from None


def _hint(fault: Refused, found: tuple[Axis, ...]) -> str:
    """What would do; for a value that a comma may have cut in two, semicolons."""
    cut = any(axis.field == fault.field and any("=" in word for word in axis.words) for axis in found)
    return f"{fault.remedy}; where values hold commas, part them by ;" if cut else fault.remedy


def _scale(plans: list[Plan]) -> int:
    """How many times the sheet enlarges its pictures.

    Raises:
        Refused: it would be too large.
    """
    width, height = max(p.width for p in plans), max(p.height for p in plans)
    if len(plans) * width * height > PIXELS // 2:
        what = f"{len(plans)} pictures of {width}x{height} pixels are too many for a sheet"
        raise Refused(what, "vary less, or make them smaller", "vary")
    scale = -(-_CELL // min(width, height))
    return scale if len(plans) * width * height * scale**2 <= PIXELS // 2 else 1


def _run(asked: Any, shelf: Shelf, planned: list[tuple[Cell, Plan]]) -> list[Made]:
    show = Show(Output(json=asked.sheet.json, quiet=asked.sheet.quiet), len(planned))
    made: list[Made] = []
    try:
        for place, (cell, plan) in enumerate(planned):
            events: Any = cell.task.run(shelf)
            with closing(events):
                for event in events:
                    if isinstance(event, Progress):
                        show.progress(replace(event, picture=place))
                    else:
                        made.append(Made(cell, plan, event))
    finally:
        show.bar.clear()
    return made


def _path(place: places.Place, first: Made) -> Path:
    """The sheet's file; where it and the page would overwrite nothing, if a folder was named."""
    title, seed, again = f"grid {first.cell.task.prompt}", first.result.seed, 1
    path = place.path(title, seed)
    while not place.name and path.with_suffix(".html").exists():
        again += 1
        path = place.path(f"grid {again} {title}", seed)
    return path
