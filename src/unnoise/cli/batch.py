"""Make the pictures of a file of requests, each exactly once; goes on where it was stopped."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from unnoise.catalogue import Shelf
from unnoise.cli import _ledger as ledger
from unnoise.cli import _places as places
from unnoise.cli._make import Show
from unnoise.cli._options import Machine, Output
from unnoise.cli._parse import parse
from unnoise.cli._requests import Line, read_requests
from unnoise.cli._shelf import shelved
from unnoise.cli._show import say, say_json
from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.core.event import Event, Progress, Result
from unnoise.tasks.generate import Generate

MOST = 1_000_000
"""Pictures of one batch, each of which it keeps in mind."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Make the pictures of a file of requests, each exactly once; goes on where it was stopped.

    unnoise batch REQUESTS.jsonl --out DIR

    A line of JSONL is a request: {"prompt": "a red fox", "steps": 10, "count": 4}. A CSV file names the same fields in
    its first row; an empty cell leaves one out. Pictures are called LINE-PROMPT-SEED. The same command again makes what
    is missing; lines may be added in between, but not changed.

    Args:
        file: A .jsonl or .csv file with one request a line: the fields of 'unnoise generate'.
        out: The folder that the pictures go to, made if need be.
        format: The pictures' format.
        keep_going: Leave lines out that cannot be honoured, and count them, instead of making nothing.
        json: One JSON object a line on standard output, and nothing else there.
        quiet: No progress, only what was made.
    """

    file: str
    out: str
    format: Literal["png", "webp", "jpeg"] = "png"
    keep_going: bool = False
    json: bool = False
    quiet: bool = False
    machine: Machine = field(default_factory=Machine)


@dataclass(frozen=True)
class Picture:
    """One picture that a batch makes."""

    number: int
    task: Generate
    seed: int
    path: Path


def command(args: list[str]) -> int:
    asked = parse(Asked, args, "unnoise batch")
    source, folder = places.user_path(asked.file, "FILE"), places.user_path(asked.out, "--out")
    lines, shelf, known = _checked(read_requests(source), asked.machine)
    faults = [line for line in lines if line.fault]
    if faults and not asked.keep_going:
        raise _named(source, faults)
    tasks = {line.number: line.task for line in lines if line.task}
    if (total := sum(task.count for task in tasks.values())) > MOST:
        raise Refused(f"{source} asks for {total:,} pictures", f"split it: at most {MOST:,} at a time", "count")
    places.probe(folder)
    with ledger.locked(places.made(folder)) as begun:
        settings = _settings(asked, known)
        agreed = ledger.agree(folder, source, settings, tasks)
        pictures = [p for n, t in tasks.items() for p in _pictures(n, t, agreed.lines[n][1], folder, asked.format)]
        if not begun and (strange := next((p.path for p in pictures if p.path.exists()), None)):
            raise Refused(f"{strange} is there already, and is no batch's", "give another --out", "out")
        agreed.keep(folder)
        made, kept, late = _run(asked, source, shelf, pictures)
    return _end(asked, source, (made, kept), [*faults, *late])


def _checked(lines: list[Line], machine: Machine) -> tuple[list[Line], Shelf, dict[str, Description]]:
    """Each line checked against its model, the library that knows the models, and what they are by name."""
    tasks, shelf = shelved([line.task for line in lines if line.task], machine)
    named = iter(tasks)
    known: dict[str, Description] = {}

    def check(line: Line) -> Line:
        if line.task is None:
            return line
        task = next(named)
        try:
            if task.model not in known:
                known[task.model] = shelf.describe(task.model)
            task.plan(known[task.model])
        except Refused as fault:
            return Line(line.number, None, fault)
        return Line(line.number, task)

    return [check(line) for line in lines], shelf, known


def _named(source: Path, faults: list[Line]) -> Refused:
    """The first fault with its line, and how many more there are."""
    first = faults[0]
    fault = first.fault or Refused("")
    field = f", {fault.field}" if fault.field else ""
    others = len(faults) - 1
    more = f"; {others} more {'lines have' if others > 1 else 'line has'} faults" if others else ""
    return Refused(f"{source}, line {first.number}{field}: {fault.what}", f"{fault.remedy}{more}", fault.field)


def _settings(asked: Asked, known: dict[str, Description]) -> dict[str, object]:
    machine = asked.machine
    return {
        "format": asked.format,
        "dtype": machine.dtype or "float32",
        "exact": machine.exact,
        "models": {name: dict(model.files) for name, model in sorted(known.items())},
    }


def _pictures(number: int, task: Generate, first: int, folder: Path, format: str) -> Iterator[Picture]:
    title, suffix = places.slug(task.prompt), {"jpeg": ".jpg"}.get(format, f".{format}")
    for seed in range(first, first + task.count):
        yield Picture(number, task, seed, folder / f"{number:06}-{title}-{seed}{suffix}")


def _run(asked: Asked, source: Path, shelf: Shelf, pictures: list[Picture]) -> tuple[int, int, list[Line]]:
    """Make what is missing: how many that were, how many were there, and the lines that failed on the way."""
    show = Show(Output(out=asked.out, format=asked.format, json=asked.json, quiet=asked.quiet), len(pictures))
    missing = [(place, p) for place, p in enumerate(pictures) if not p.path.is_file()]
    made, late = 0, list[Line]()
    try:
        for (number, _), run in groupby(enumerate(missing), lambda e: (e[1][1].number, e[1][0] - e[0])):
            wanted = [entry for _, entry in run]
            for event in _events(shelf, wanted):
                if isinstance(event, Progress):
                    show.progress(replace(event, picture=wanted[event.picture][0]))
                elif isinstance(event, Result):
                    show.result(event, _saved(event, wanted[event.picture][1].path))
                    made += 1
                else:
                    late.append(Line(number, None, event))
                    if not asked.keep_going:
                        raise _named(source, late)
    finally:
        show.bar.clear()
    return made, len(pictures) - len(missing), late


def _events(shelf: Shelf, wanted: list[tuple[int, Picture]]) -> Iterator[Event | Refused]:
    """What comes of pictures of one line whose seeds follow each other; a refusal on the way is the last."""
    first = wanted[0][1]
    events: Any = replace(first.task, seed=first.seed, count=len(wanted)).run(shelf)
    with closing(events):
        try:
            yield from events
        except Refused as fault:
            yield fault


def _saved(event: Result, path: Path) -> Path:
    from unnoise.media.image import save

    save(path, event.pixels, event.record)
    return path


def _end(asked: Asked, source: Path, counts: tuple[int, int], faults: list[Line]) -> int:
    made, kept = counts
    numbers = {line.number for line in faults}
    if asked.json:
        said = [{"line": line.number, "error": str(line.fault)} for line in faults]
        say_json(event="batch", made=made, kept=kept, left_out=len(numbers), faults=said)
    elif not asked.quiet:
        say(f"{made} made, {kept} there before, {len(numbers)} lines left out")
    if faults:
        which = ", ".join(map(str, sorted(numbers)[:10])) + (", ..." if numbers - set(sorted(numbers)[:10]) else "")
        fault = _named(source, faults)
        left = "line was" if len(numbers) == 1 else "lines were"
        raise Refused(f"{len(numbers)} {left} left out ({which}); {fault.what}", fault.remedy, fault.field)
    return 0
