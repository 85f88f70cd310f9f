"""An evaluation's figures: computed one measure after the other, and told as a table, as JSON and as a page."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.cli import _places as places
from unnoise.cli._case import Gathered
from unnoise.cli._kept import Kept, kept, values
from unnoise.cli._show import Bar, note, plain, say, say_json
from unnoise.core.error import Refused
from unnoise.evaluate.bootstrap import Estimate
from unnoise.evaluate.case import Case, Figure
from unnoise.evaluate.measures import Measure, chosen
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
            bar.draw(done / len(measures), f"measuring: {_name(measure)}")
            try:
                yield from _of(measure, case)
            except Refused as fault:
                if asked.measures:
                    raise
                bar.clear()
                note(f"left out: {fault}", asked.json, asked.quiet)
    finally:
        bar.clear()


def _of(measure: Measure, case: Case) -> Iterator[Figure]:
    """A measure's figures, each with what stands beside it.

    Raises:
        Refused: it has none.
    """
    some = False
    for figure in measure(case):
        some = True
        yield figure if figure.against else replace(figure, against=case.against)
    if not some:
        what = f"{_name(measure)} finds nothing to tell of these pictures"
        remedy = "give pictures whose captions are the data's, of two things or more, or leave it out"
        raise Refused(what, remedy, "measures")


def _name(measure: Measure) -> str:
    return type(measure).__module__.rpartition(".")[2]


def keep(asked: "Asked", folder: Path, made: Gathered, figures: Iterator[Figure]) -> int:
    """Tell the figures and write them and the page, also where a later figure is refused; gives the exit code."""
    specs = list(asked.measures) or [_name(measure) for measure in chosen((), made.case.has)]
    held, said = kept(asked, places.made(folder), made.case, specs)
    if said:
        note(said, asked.json, asked.quiet)
    try:
        for figure in figures:
            held.found.append(figure)
            held.write()
            if asked.json:
                say_json(event="figure", **values(figure))
    except Refused:
        if held.found:
            _tell(asked, folder, made, held)
        raise
    _tell(asked, folder, made, held)
    return 0


def _tell(asked: "Asked", folder: Path, made: Gathered, held: Kept) -> None:
    head, rows = _table(held.found)
    if not asked.json:
        say("\n".join(map(plain, _lines(head, rows) + _notes(held.found))))
    held.write()
    write(folder / "evaluation.html", _page(asked, made, held.figures).encode())
    if asked.json:
        say_json(event="evaluation", page=str(folder / "evaluation.html"), figures=str(held.path))
    else:
        say(str(folder / "evaluation.html"))


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
    about += [", ".join(made.how)] if made.how else []
    about += [f"{len(case.train)} training pictures, {len(case.heldout) if case.heldout else 0} held out"]
    about += [f"the first {SHOWN} are shown"] if count > SHOWN else []
    about += [f"features {f.name}: {f.digest}" for f in case.features] if count else []
    tables = [Table("", head, rows)]
    if notes := [[note] for note in (*made.notes, *_notes(figures))]:
        tables.append(Table("", ("notes",), notes))
    named = asked.model or asked.pictures or asked.data
    return page(f"evaluation of {Path(named).stem}", "; ".join(about), _blocks(made), tables)


def _blocks(made: Gathered) -> list[Block]:
    """Each made picture, the training picture most like it, and the real one beside it."""
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
    labels = [f"{drawn.prompt} ({drawn.split})" if case.same else drawn.prompt for drawn in case.drawn[:count]]
    real = "real picture" if case.same else "real picture, drawn by the seed"
    return [Block("", labels, ["made", "nearest training picture", real], pictures)]


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
