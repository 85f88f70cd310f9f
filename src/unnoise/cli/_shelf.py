"""Several requests and the library that knows their models: no picture tells where a user's files are."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unnoise.catalogue import Shelf, is_path, library
from unnoise.cli._options import Machine
from unnoise.tasks.generate import Generate


def shelved(tasks: Sequence[Generate], machine: Machine) -> tuple[list[Generate], Shelf]:
    """The requests by their models' names: a file goes by its stem, numbered where another one has the same."""
    names: dict[str, str] = {}
    for file in sorted({task.model for task in tasks if is_path(task.model)}):
        same = sum(Path(other).stem == Path(file).stem for other in names)
        names[file] = f"{Path(file).stem}-{same + 1}" if same else Path(file).stem
    found = [replace(task, model=names.get(task.model, task.model)) for task in tasks]
    return found, library({n: f for f, n in names.items()}, machine.device, machine.dtype, machine.exact)
