"""The pictures of an evaluation, each made exactly once: a killed one goes on where it stopped, as a batch does.

`pictures.json` is written before the first picture: what they were computed with, and each one's request by its digest.
"""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.cli import _places as places
from unnoise.cli._ledger import digest, locked
from unnoise.cli._make import Show
from unnoise.cli._options import Output
from unnoise.core.error import Refused
from unnoise.core.event import Progress
from unnoise.media.atomic import write
from unnoise.tasks.generate import Generate

if TYPE_CHECKING:
    from unnoise.cli.evaluate import Asked, Maker

NAME = "pictures.json"


def prompted(asked: "Asked", maker: "Maker", folder: Path, tasks: Mapping[int, Generate]) -> list[Path]:
    """Make what is missing of these requests, by number; gives the file of each, in order.

    Raises:
        Refused: the folder was begun with another model, other data or other settings, or is in use.
    """
    machine = asked.machine
    files = dict(maker.description.files)
    settings = {"model": files, "dtype": machine.dtype or "float32", "exact": machine.exact}
    paths = {n: folder / f"{n:06}-{places.slug(task.prompt)}-{task.seed}.png" for n, task in tasks.items()}
    with locked(places.made(folder)):
        _agree(folder, settings, tasks)
        _make(asked, maker, [(n, tasks[n], paths[n]) for n in tasks if not paths[n].is_file()], len(tasks))
    return list(paths.values())


def _agree(folder: Path, settings: Mapping[str, Any], tasks: Mapping[int, Generate]) -> None:
    """See that a folder's pictures are of these requests, and write down what they are of, before any is made."""
    path, asked = folder / NAME, {str(n): digest(task) for n, task in tasks.items()}
    before = _read(path) if path.exists() else {**settings, "requests": {}}
    requests = before.pop("requests")
    if before != json.loads(json.dumps(settings)):
        parted = [name for name in settings if before.get(name) != settings[name]]
        what = f"{folder} was begun with another {' and '.join(parted) or 'version'}"
        raise Refused(what, "bring it back, or give another --out", "out")
    if wrong := [n for n in asked if requests.get(n, asked[n]) != asked[n]]:
        what = f"{folder} was begun with other data, captions, seeds or settings (picture {wrong[0]} is another)"
        raise Refused(what, "repeat those, or give another --out", "out")
    write(path, json.dumps({**settings, "requests": {**requests, **asked}}, indent=1, sort_keys=True).encode())


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        found["requests"].items()
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise Refused(f"{path} is no evaluation's", "give another --out", "out") from None
    return found


def _make(asked: "Asked", maker: "Maker", missing: list[tuple[int, Generate, Path]], total: int) -> None:
    from unnoise.media.image import save

    show = Show(Output(json=asked.json, quiet=asked.quiet), total)
    try:
        for number, task, file in missing:
            events: Any = task.run(maker.shelf)
            with closing(events):
                for event in events:
                    if isinstance(event, Progress):
                        show.progress(replace(event, picture=number - 1))
                        continue
                    save(file, event.pixels, event.record)
                    if asked.json:
                        show.result(event, file)
    finally:
        show.bar.clear()
