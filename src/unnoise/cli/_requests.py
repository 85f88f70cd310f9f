"""Many requests in one file: JSON objects, one a line, or a CSV table whose first row names the fields.

Each is read and checked by itself, so that a bad one can be named by its line, and left out.
"""

import csv
import difflib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

from unnoise.cli._readers import reader
from unnoise.core.error import Refused
from unnoise.tasks.generate import Generate

BYTES = 256 * 2**20
LINE = 2**20
"""The most characters of one line, or of one CSV cell."""
_SUFFIXES = {".jsonl": "json", ".ndjson": "json", ".csv": "csv"}


@dataclass(frozen=True)
class Line:
    """One request of a file.

    Args:
        number: of its line, from 1; of its first one, where a CSV cell holds several.
        task: the request; None where it is none.
        fault: why it is none.
    """

    number: int
    task: Generate | None
    fault: Refused | None = None


def read_requests(path: Path) -> list[Line]:
    """Every request of a file, sound or not.

    Raises:
        Refused: the file cannot be read, is of another kind, or holds no request.
    """
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise Refused(f"{path} is no file of requests", f"end its name in {', '.join(_SUFFIXES)}", "file")
    rows = _json_rows(_text(path)) if kind == "json" else _csv_rows(_text(path), path)
    found = [_line(number, row) for number, row in rows]
    if not found:
        raise Refused(f"{path} holds no request", 'write one a line, such as {"prompt": "a red fox"}', "file")
    return found


def kinds() -> dict[str, Any]:
    """The fields of a request that a word or a JSON value can set, with their types; no file holds a paused run."""
    hints = get_type_hints(Generate)
    plain = (int, float, str, bool, type(None), ...)
    named = {f.name: hints[f.name] for f in fields(Generate) if f.name != "start"}
    return {name: hint for name, hint in named.items() if all(k in plain for k in get_args(hint) or (hint,))}


def read_word(name: str, word: str) -> Any:
    """A field's value from a word, as the command line reads it.

    Raises:
        Refused: the word is no value of it.
    """
    found = reader(kinds()[name])
    try:
        value = found.read(word.strip() if found.wanted != "text" else word)
        return ((value,) if word else ()) if found.many else value
    except ValueError:
        raise Refused(f"{name} cannot be '{word[:60]}'", f"it takes {found.wanted}", name) from None


def check_name(name: str) -> str:
    """A field's name, dashes for underscores as in options.

    Raises:
        Refused: a request has none of this name.
    """
    known = kinds()
    plain = name.strip().removeprefix("--").replace("-", "_")
    if plain not in known:
        near = difflib.get_close_matches(plain, known, 1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise Refused(f"there is no field '{name[:60]}'", f"{hint}one of {', '.join(known)}", name[:60])
    return plain


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(BYTES + 1)
        if len(data) > BYTES:
            raise Refused(f"{path} is longer than {BYTES} bytes", "split it", "file")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise Refused(f"cannot read {path} ({error.strerror or error})", "name a file of requests", "file") from None
    except UnicodeDecodeError:
        raise Refused(f"{path} is no text in UTF-8", "save it as UTF-8", "file") from None


Row = Mapping[str, Any] | Refused


def _json_rows(text: str) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, _json_row(line)


def _json_row(line: str) -> Row:
    if len(line) > LINE:
        return Refused(f"it has more than {LINE} characters", "split it")
    try:
        found = json.loads(line, object_pairs_hook=_once)
    except Refused as refused:
        return refused
    except (ValueError, RecursionError) as error:
        return Refused(f"it is no JSON ({str(error)[:80]})", 'write an object, such as {"prompt": "a red fox"}')
    if not isinstance(found, dict):
        return Refused("it is no JSON object", 'write one, such as {"prompt": "a red fox"}')
    return {key: value for key, value in found.items() if value is not None}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _twice()
    return found


def _twice() -> Refused:
    return Refused("it gives a field twice", "give it once")


def _csv_rows(text: str, path: Path) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(LINE)
    table = csv.reader(io.StringIO(text, newline=""), strict=True)
    last, names = 0, list[str]()
    while True:
        try:
            cells = next(table, None)
        except csv.Error as error:
            what = f"it is no CSV ({error}), and nothing from there on is read"
            yield last + 1, Refused(what, "quote a cell that holds commas, quotes or lines")
            return
        first, last = last + 1, table.line_num
        if cells is None:
            return
        if not names:
            names = cells
            if len(set(names)) < len(names) or not all(names):
                raise Refused(f"{path} names a column twice, or not at all", "name each in the first row", "file")
        elif len(cells) > len(names):
            yield (
                first,
                Refused(f"it has {len(cells)} cells for {len(names)} columns", "quote a cell that holds commas"),
            )
        elif any(cells):
            yield first, {name: Word(cell) for name, cell in zip(names, cells, strict=False) if cell}


class Word(str):
    """A CSV cell, which is still to be read as its field's type."""


def _line(number: int, row: Row) -> Line:
    if isinstance(row, Refused):
        return Line(number, None, row)
    try:
        given = [(check_name(key), value) for key, value in row.items()]
        values = {name: _value(name, value) for name, value in given}
        if len(values) < len(given):
            raise _twice()
        if "prompt" not in values:
            raise Refused("it has no prompt", "give it one", "prompt")
        return Line(number, Generate(**values))
    except Refused as fault:
        return Line(number, None, fault)


def _value(name: str, value: Any) -> Any:
    """A JSON value or a CSV cell as the field's type."""
    if isinstance(value, Word):
        return read_word(name, str(value))
    hint = kinds()[name]
    if isinstance(value, list) and reader(hint).many and all(isinstance(each, str) for each in cast(list[Any], value)):
        return tuple(cast(list[str], value))
    wanted = get_args(hint) or (hint,)
    if type(value) is float and float not in wanted and value.is_integer():
        value = int(value)
    if type(value) not in wanted and not (type(value) is int and float in wanted):
        shown = json.dumps(value)[:60]
        raise Refused(f"{name} cannot be {shown}", f"it takes {reader(hint).wanted}", name)
    return value
