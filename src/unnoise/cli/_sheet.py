"""From a grid's pictures to its two files: the labelled sheet, and the page beside it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from unnoise.cli import _places as places
from unnoise.cli._show import say, say_json
from unnoise.cli._vary import Axis, Cell
from unnoise.core.event import Result
from unnoise.media.gallery import Block, Shown, page
from unnoise.tasks._plan import Plan

if TYPE_CHECKING:
    from torch import Tensor


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


@dataclass(frozen=True)
class Made:
    """One cell's picture."""

    cell: Cell
    plan: Plan
    result: Result


def keep(asked: Sheet, path: Path, found: tuple[Axis, ...], made: list[Made], scale: int) -> int:
    """Write the sheet and the page beside it, and say so; gives the exit code."""
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
    text = page(_title(found, made), f"{models}, {len(made)} pictures in {seconds:.1f} s", shown)
    data = encode(pixels, kind, models)
    places.made(path.parent)
    write(path.with_suffix(".html"), text.encode())
    write(path, data)
    return _said(asked, path, {"seed": made[0].result.seed, "seconds": round(seconds, 3)}, (pixels, data, len(made)))


def _title(found: tuple[Axis, ...], made: list[Made]) -> str:
    varied = next((axis.words for axis in found if axis.field == "prompt"), ())
    return " / ".join(varied) or made[0].cell.task.prompt or "no prompt"


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
