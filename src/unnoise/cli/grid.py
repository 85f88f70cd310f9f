"""Make pictures that differ in chosen settings: a labelled sheet, and a page with each one's settings and record."""

import hashlib
import os
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from unnoise.catalogue import Shelf
from unnoise.cli import _places as places
from unnoise.cli._make import Show
from unnoise.cli._options import Machine, Output
from unnoise.cli._parse import parse
from unnoise.cli._shelf import shelved
from unnoise.cli._show import say, say_json
from unnoise.cli._vary import Axis, Cell, axes, cells, collected
from unnoise.core.error import Refused
from unnoise.core.event import Progress, Result
from unnoise.media.container import PIXELS
from unnoise.media.gallery import Block, Shown, page
from unnoise.tasks._plan import Plan
from unnoise.tasks.generate import Generate

if TYPE_CHECKING:
    from torch import Tensor

_CELL = 128
"""Pictures smaller than this are enlarged on the sheet, so that their labels fit."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Where the grid goes, and what is said of it.

    Args:
        out: A folder, made if need be, where nothing is overwritten; or a picture's name, which is. The page goes
            beside it, as .html.
        format: The format of the sheet and of the pictures in the page; png, or what the file's name says.
        json: One JSON object a line on standard output, and nothing else there.
        quiet: No progress, only what was made.
    """

    out: str = "out"
    format: Literal["png", "webp", "jpeg"] | None = None
    json: bool = False
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Make pictures that differ in chosen settings: a labelled sheet, and a page with each one's settings and record.

    unnoise grid "a cat" --vary sampler=euler,dpmpp_2m --vary steps=10,20

    The first field makes rows and the second columns; more make blocks. --count adds seeds as one more field.
    A semicolon anywhere in VALUES parts them instead of commas: "sampler=ddim:eta=0.5,x=1;lms"; ";;" stands for one.

    Args:
        vary: A field of a request and the values it takes; may be given again.
    """

    picture: Generate
    vary: tuple[str, ...] = field(default=(), metadata={"metavar": "FIELD=VALUE,VALUE,..."})
    sheet: Sheet = field(default_factory=Sheet)
    machine: Machine = field(default_factory=Machine)


@dataclass(frozen=True)
class Made:
    """One cell's picture."""

    cell: Cell
    plan: Plan
    result: Result


def command(args: list[str]) -> int:
    asked = parse(Asked, collected(args), "unnoise grid")
    found, task = _with_seeds(axes(asked.vary), asked.picture)
    listed = cells(task, found)
    place = places.place(asked.sheet.out, asked.sheet.format, 1)
    tasks, shelf = shelved([cell.task for cell in listed], asked.machine)
    listed = [replace(cell, task=task) for cell, task in zip(listed, tasks, strict=True)]
    plans = [_planned(cell, found, shelf) for cell in listed]
    scale = _scale(plans)
    places.probe(place.folder)
    made = _run(asked, shelf, list(zip(listed, plans, strict=True)))
    path = _path(place, made[0])
    return _keep(asked.sheet, path, found, made, scale)


def _with_seeds(found: tuple[Axis, ...], task: Generate) -> tuple[tuple[Axis, ...], Generate]:
    """Several pictures of one request are an axis of seeds; all others share one seed."""
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


def _run(asked: Asked, shelf: Shelf, planned: list[tuple[Cell, Plan]]) -> list[Made]:
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


def _keep(asked: Sheet, path: Path, found: tuple[Axis, ...], made: list[Made], scale: int) -> int:
    from unnoise.media.atomic import write
    from unnoise.media.image import encode, format_of
    from unnoise.media.sheet import sheet, stacked

    kind = format_of(path)
    columns = found[min(1, len(found) - 1)]
    rows = found[0] if len(found) > 1 else None
    parts = _blocks(found, made)
    labels = [columns.label(k) for k in range(len(columns.values))]
    sides = [rows.label(k) for k in range(len(rows.values))] if rows else []
    sheets = [sheet([[m.result.pixels for m in row] for row in rows], sides, labels, scale) for _, rows in parts]
    pixels = stacked(sheets, [title for title, _ in parts])
    shown = [
        Block(title, sides, labels, [[_shown(m, found, kind) for m in row] for row in rows]) for title, rows in parts
    ]
    models = ", ".join(dict.fromkeys(m.cell.task.model for m in made))
    seconds = sum(m.result.seconds for m in made)
    text = page(made[0].cell.task.prompt, f"{models}, {len(made)} pictures in {seconds:.1f} s", shown)
    data = encode(pixels, kind, models)
    places.made(path.parent)
    write(path.with_suffix(".html"), text.encode())
    write(path, data)
    return _said(asked, path, {"seed": made[0].result.seed, "seconds": round(seconds, 3)}, (pixels, data, len(made)))


def _blocks(found: tuple[Axis, ...], made: list[Made]) -> list[tuple[str, list[list[Made]]]]:
    """Titles and rows: the first axis goes down, the second across, and each choice of the others is a block."""
    across = 1 if len(found) > 1 else 0
    parts: dict[tuple[int, ...], dict[int, list[Made]]] = {}
    for each in made:
        at = each.cell.at
        parts.setdefault(at[2:], {}).setdefault(at[0] if across else 0, []).append(each)
    named = [(", ".join(a.label(k) for a, k in zip(found[2:], at, strict=True)), rows) for at, rows in parts.items()]
    return [(title, list(rows.values())) for title, rows in named]


def _shown(made: Made, found: tuple[Axis, ...], format: Any) -> Shown:
    from unnoise.media.image import encode

    plan, result = made.plan, made.result
    height, width = (int(n) for n in result.pixels.shape[-2:])
    varied = {axis.field: axis.words[k] for axis, k in zip(found, made.cell.at, strict=True) if axis.words[k]}
    usual = {"sampler": plan.sampler, "spacing": plan.spacing, "guidance": plan.guidance, "steps": str(plan.steps)}
    last = {"size": f"{width}x{height}", "seed": str(result.seed), "time": f"{result.seconds:.2f} s"}
    settings = {name: value for name, value in {**usual, **varied, **last}.items() if value}
    return Shown(encode(result.pixels, format, result.record), format, width, height, settings, result.record.json())


def _said(asked: Sheet, path: Path, about: dict[str, Any], what: "tuple[Tensor, bytes, int]") -> int:
    pixels, data, count = what
    if not asked.json:
        say(f"{path}\n{path.with_suffix('.html')}")
        return 0
    size = {"width": int(pixels.shape[-1]), "height": int(pixels.shape[-2])}
    digest = hashlib.sha256(data).hexdigest()
    say_json(
        event="result",
        path=str(path),
        **about,
        **size,
        sha256=digest,
        page=str(path.with_suffix(".html")),
        pictures=count,
    )
    return 0
