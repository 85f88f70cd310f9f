"""An evaluation's figures: computed one measure after the other, and told as a table, as JSON and as a page."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.cli import _places as places
from unnoise.cli._case import Gathered
from unnoise.cli._show import Bar, note, say, say_json
from unnoise.core.error import Refused
from unnoise.evaluate.bootstrap import Estimate
from unnoise.evaluate.case import Case, Figure
from unnoise.evaluate.measures import chosen
from unnoise.evaluate.memorisation import near
from unnoise.media.atomic import write
from unnoise.media.gallery import Block, Shown, Table, page
from unnoise.media.image import encode

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.cli.evaluate import Asked

SHOWN = 100
"""Pictures on the page; more would make it too large to open."""
HEAD = ("measure", "of", "figure", "beside", "which is of", "better")


def measured(asked: "Asked", case: Case) -> Iterator[Figure]:
    """Every figure. A measure that cannot be had of this case is told, unless it was asked for: then it is refused."""
    measures = chosen(asked.measures, case.has)
    bar = Bar(not (asked.json or asked.quiet))
    try:
        for done, measure in enumerate(measures):
            bar.draw(done / len(measures), f"measuring: {type(measure).__module__.rpartition('.')[2]}")
            try:
                yield from measure(case)
            except Refused as fault:
                if asked.measures:
                    raise
                bar.clear()
                note(f"left out: {fault}", asked.json, asked.quiet)
    finally:
        bar.clear()


def keep(asked: "Asked", folder: Path, made: Gathered, figures: Iterator[Figure]) -> int:
    """Tell the figures and write them and the page; gives the exit code."""
    found = list[Figure]()
    for figure in figures:
        found.append(figure)
        if asked.json:
            say_json(event="figure", **_values(figure))
    head, rows = _table(found)
    if not asked.json:
        say("\n".join(_lines(head, rows) + _notes(found)))
    places.made(folder)
    said = {"asked": _told(asked), "figures": [_values(figure) for figure in found]}
    write(folder / "figures.json", json.dumps(said, indent=1, ensure_ascii=False).encode())
    write(folder / "evaluation.html", _page(asked, made, found).encode())
    if asked.json:
        say_json(event="evaluation", page=str(folder / "evaluation.html"), figures=str(folder / "figures.json"))
    else:
        say(str(folder / "evaluation.html"))
    return 0


def _told(asked: "Asked") -> dict[str, Any]:
    """What was asked, without where things lie."""
    left = ("out", "json", "quiet", "data", "pictures", "model")
    named = {name: Path(value).stem for name in ("model", "pictures", "data") if (value := getattr(asked, name))}
    return {**named, **{k: v for k, v in asdict(asked).items() if k not in left and v is not None}}


def _values(figure: Figure) -> dict[str, Any]:
    value = asdict(figure.value)
    return {**asdict(figure), **value, "beside": asdict(figure.beside) if figure.beside else None} | {
        "value": value["value"]
    }


def _table(figures: Sequence[Figure]) -> tuple[tuple[str, ...], list[list[str]]]:
    return HEAD, [
        [f.title, f.of, _shown(f.value), _shown(f.beside), f.against if f.beside else "", f.better] for f in figures
    ]


def _shown(value: Estimate | None) -> str:
    if value is None:
        return ""
    ends = "" if value.low is None or value.high is None else f" [{value.low:.3g}, {value.high:.3g}]"
    return f"{value.value:.4g}{ends}"


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)]


def _notes(figures: Sequence[Figure]) -> list[str]:
    return [f"{figure.title}, {figure.of}: {figure.note}" for figure in figures if figure.note]


def _page(asked: "Asked", made: Gathered, figures: Sequence[Figure]) -> str:
    case = made.case
    head, rows = _table(figures)
    count = len(case.drawn)
    about = [f"{count} pictures, seeds from {asked.seed}"] if asked.model else [f"{count} pictures"] if count else []
    about += [f"{len(case.train)} training pictures, {len(case.heldout) if case.heldout else 0} held out"]
    about += [f"the first {SHOWN} are shown"] if count > SHOWN else []
    about += [f"features {f.name}: {f.digest}" for f in case.features] if count else []
    tables = [Table("", head, rows)]
    if notes := [[note] for note in _notes(figures)]:
        tables.append(Table("", ("notes",), notes))
    named = asked.model or asked.pictures or asked.data
    return page(f"evaluation of {Path(named).stem}", "; ".join(about), _blocks(made), tables)


def _blocks(made: Gathered) -> list[Block]:
    """Each made picture, the training picture most like it, and the real one of its prompt."""
    case = made.case
    if case.made is None:
        return []
    count = min(SHOWN, len(case.made))
    found = near(case.made[:count], case.train.images)
    pictures = [
        [
            _made(made, k),
            _nearest(case, int(found.index[k]), found.distance[k], bool(found.mirrored[k])),
            _real(case, k),
        ]
        for k in range(count)
    ]
    labels = [f"{drawn.prompt} ({drawn.split})" for drawn in case.drawn[:count]]
    return [Block("", labels, ["made", "nearest training picture", "real picture"], pictures)]


def _made(made: Gathered, k: int) -> Shown:
    """The file itself where a model made it here: its record stays within it."""
    file = made.files[k]
    return _picture(made.case.pictures[k], {"file": file.name}, file.read_bytes() if made.case.model else None)


def _nearest(case: Case, index: int, distance: "Tensor", mirrored: bool) -> Shown:
    settings = {"picture": case.train.names[index], "distance": f"{float(distance):.1f}/255"}
    return _picture(case.train.images[index], settings | ({"mirrored": "yes"} if mirrored else {}))


def _real(case: Case, k: int) -> Shown:
    drawn = case.drawn[k]
    pictures = case.heldout if drawn.split == "heldout" and case.heldout else case.train
    return _picture(case.real[k], {"picture": pictures.names[drawn.index], "part": drawn.split})


def _picture(pixels: "Tensor", settings: dict[str, str], data: bytes | None = None) -> Shown:
    height, width = (int(n) for n in pixels.shape[-2:])
    return Shown(data or encode(pixels, "png"), "png", width, height, settings)
