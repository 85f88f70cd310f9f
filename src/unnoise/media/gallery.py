"""A page of pictures that stands alone: one HTML file, pictures within it, nothing fetched and no script.

Its content policy allows nothing but what it holds, so that it asks nothing of anybody even if a prompt were markup.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from unnoise.media.infotext import plain


@dataclass(frozen=True)
class Shown:
    """One picture with what stands under it.

    Args:
        data: its file.
        format: the file's: png, webp or jpeg.
        width, height: in pixels.
        settings: its own, by name, in the order they are shown.
        record: how it was made, as JSON, shown when it is asked for; empty where nothing is known of it.
    """

    data: bytes
    format: str
    width: int
    height: int
    settings: Mapping[str, str]
    record: str = ""


@dataclass(frozen=True)
class Table:
    """Figures in words.

    Args:
        title: above it; empty for none.
        head: the columns' names.
        rows: one text a column, in each.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Block:
    """Pictures in rows and columns.

    Args:
        title: above them; empty for none.
        rows, columns: the labels; no rows where there is one row without a label.
        pictures: one sequence a row.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    pictures: Sequence[Sequence[Shown]]


STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2129; --faint: #646b78; --line: #d9dde3; --well: #f4f5f7 }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181c; --ink: #e8eaee; --faint: #9aa2af; --line: #343942; --well: #1f2228 }
}
* { box-sizing: border-box }
body { margin: 0; padding: 1.5rem; background: var(--paper); color: var(--ink); font: 14px/1.45 system-ui, sans-serif }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; overflow-wrap: anywhere }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem }
p { margin: 0 0 1rem; color: var(--faint); overflow-wrap: anywhere }
.wide { overflow-x: auto }
table { border-collapse: collapse }
th { font-weight: 600; padding: .4rem .6rem; text-align: center; max-width: 20rem; overflow-wrap: anywhere }
tbody th { text-align: right; vertical-align: top; position: sticky; left: 0; background: var(--paper) }
td { padding: .35rem; vertical-align: top }
.told td { border-top: 1px solid var(--line); font-variant-numeric: tabular-nums }
.told th { text-align: left }
figure { margin: 0; padding: .5rem; border: 1px solid var(--line); border-radius: 6px; background: var(--well) }
img { display: block; margin: auto; height: auto; image-rendering: auto }
img.small { image-rendering: pixelated }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 .6rem; margin: .5rem 0 0; font-size: 12px }
dt { color: var(--faint) }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums }
details { margin-top: .4rem; font-size: 12px }
summary { cursor: pointer; color: var(--faint) }
pre { max-height: 24rem; max-width: 32rem; overflow: auto; margin: .4rem 0 0; white-space: pre-wrap;
  overflow-wrap: anywhere }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_SMALL = 256
"""Pictures up to this side are shown at twice their size or more, each pixel a square."""


def page(title: str, about: str, blocks: Sequence[Block], tables: Sequence[Table] = ()) -> str:
    """The page's HTML.

    Args:
        title: what the pictures share, such as their prompt.
        about: one line under it.
        blocks: the pictures.
        tables: figures, before the pictures.
    """
    return "".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f"<title>{_text(title[:200])}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
            f"<h1>{_text(title)}</h1>\n<p>{_text(about)}</p>\n",
            *(_table(table) for table in tables),
            *(_block(block) for block in blocks),
            "</body>\n</html>\n",
        ]
    )


def _table(table: Table) -> str:
    title = f"<h2>{_text(table.title)}</h2>\n" if table.title else ""
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in table.head)
    rows = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>\n" for row in table.rows)
    return (
        f'{title}<div class="wide"><table class="told">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n'
        "</table></div>\n"
    )


def _block(block: Block) -> str:
    title = f"<h2>{_text(block.title)}</h2>\n" if block.title else ""
    corner = "<td></td>" if block.rows else ""
    heads = "".join(f'<th scope="col">{_text(label)}</th>' for label in block.columns)
    rows = "".join(_row(block, number) for number in range(len(block.pictures)))
    head = f"<thead><tr>{corner}{heads}</tr></thead>\n" if heads else ""
    return f'{title}<div class="wide"><table>\n{head}<tbody>\n{rows}</tbody>\n</table></div>\n'


def _row(block: Block, number: int) -> str:
    label = f'<th scope="row">{_text(block.rows[number])}</th>' if block.rows else ""
    return f"<tr>{label}{''.join(f'<td>{_figure(p)}</td>' for p in block.pictures[number])}</tr>\n"


def _figure(shown: Shown) -> str:
    longest = max(shown.width, shown.height)
    times = max(1, _SMALL // longest)
    source = f"data:image/{shown.format};base64,{base64.b64encode(shown.data).decode()}"
    kind = ' class="small"' if times > 1 else ""
    label = _text(", ".join(f"{name} {value}" for name, value in shown.settings.items()))
    settings = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in shown.settings.items())
    record = _record(shown.record) if shown.record else ""
    size = f'width="{times * shown.width}" height="{times * shown.height}"'
    return (
        f'<figure><img{kind} src="{source}" {size} alt="{label}">'
        f"<figcaption><dl>{settings}</dl>{record}</figcaption></figure>"
    )


def _record(record: str) -> str:
    return f"<details><summary>record</summary><pre>{_text(_pretty(record))}</pre></details>"


def _pretty(record: str) -> str:
    """A record's JSON for people, each noise level on one line."""
    values = json.loads(record)
    levels = values.pop("levels", [])
    text = json.dumps(values, indent=2, ensure_ascii=False)
    lines = ",\n".join(f"    {json.dumps(level)}" for level in levels)
    return f'{text[:-2]},\n  "levels": [\n{lines}\n  ]\n}}' if lines else text


def _text(text: str) -> str:
    return escape(plain(text))
