"""Requests and the library that knows their models: no picture tells where a user's files are."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from unnoise.adapters import shelf as adapters
from unnoise.adapters.control import WantedControl, parsed_control
from unnoise.adapters.shelf import Adapters
from unnoise.adapters.strength import parsed
from unnoise.catalogue import Reading, Shelf, is_path, library, reading
from unnoise.cli._options import Machine
from unnoise.cli._places import user_path
from unnoise.core.error import Refused
from unnoise.core.heap import keep_memory
from unnoise.guidances import GUIDANCES
from unnoise.media.record import Record
from unnoise.tasks._control import is_digest
from unnoise.tasks.generate import Generate


def shelved(tasks: Sequence[Generate], machine: Machine) -> tuple[list[Generate], Shelf]:
    """The requests by their models' names, those of their guidances too.

    A file goes by its stem, numbered where that is another one's already.
    """
    keep_memory()
    names = _stems({name for task in tasks for name in (task.model, *others(task.guidance))}, is_path)
    loras = _stems({parsed(spec).name for task in tasks for spec in task.lora}, _is_file("lora"))
    words = _stems({name for task in tasks for name in task.embedding}, _is_file("embedding"))
    controls = _stems({parsed_control(spec).name for task in tasks for spec in task.control}, _is_file("control"))
    found = [
        replace(
            _called(task, names),
            lora=tuple(str(replace(w, name=loras.get(w.name, w.name))) for w in map(parsed, task.lora)),
            embedding=tuple(words.get(name, name) for name in task.embedding),
        )
        for task in tasks
    ]
    held, loras, words, nets = ({name: file for file, name in each.items()} for each in (names, loras, words, controls))
    made = library(held, machine.device, machine.dtype, machine.exact, read_as(machine), machine.memory)
    made.adapters = Adapters(loras, words, nets)
    return [replace(task, control=_shown(task, controls, made)) for task in found], made


def _shown(task: Generate, names: dict[str, str], shelf: Shelf) -> tuple[str, ...]:
    """A task's ControlNets by their names, their pictures by the sha256 that the library now knows them by."""
    wanted = [parsed_control(spec) for spec in task.control]
    return tuple(str(each.at(names.get(each.name, each.name), _picture(each, shelf))) for each in wanted)


def _picture(wanted: WantedControl, shelf: Shelf) -> str:
    if is_digest(wanted.image):
        return wanted.image
    path = user_path(wanted.image, "--control")
    if not path.is_file():
        raise Refused(f"there is no picture {wanted.image[:200]}", "check the path behind image=", "control")
    from unnoise.media.image import still

    return shelf.register(still(path))


def _is_file(role: adapters.Role) -> Callable[[str], bool]:
    return lambda name: adapters.is_path(name, role)


def _stems(used: set[str], is_path: Callable[[str], bool]) -> dict[str, str]:
    """The name that each file goes by: its stem, numbered where that is another one's already."""
    names, taken = dict[str, str](), {name for name in used if not is_path(name)}
    for file in sorted(name for name in used if is_path(name)):
        stem = Path(file).stem
        names[file] = next(n for k in count(1) if (n := stem if k == 1 else f"{stem}-{k}") not in taken)
        taken.add(names[file])
    return names


def read_as(machine: Machine) -> Reading:
    """How the files of models are read, as the command line says.

    Raises:
        Refused: a part is not written as ROLE=PATH, or is not there; or there is no such family.
    """
    parts = dict[str, list[str]]()
    for word in machine.part:
        role, equals, path = word.partition("=")
        if not equals or not path:
            raise Refused(f"--part cannot be '{word[:60]}'", "write ROLE=PATH, such as vae=ae.safetensors", "part")
        parts.setdefault(role, []).append(path)
    return reading(parts, machine.family or "", machine.ignore_keys)


def as_told(machine: Machine, reading: Mapping[str, Any]) -> Machine:
    """What the command line says, and where it does not, how a record says that its model's files were read."""
    family, patterns = reading.get("family"), tuple(reading.get("ignore_keys", ()))
    return replace(machine, family=machine.family or family, ignore_keys=machine.ignore_keys or patterns)


def others(guidance: str | float | None) -> tuple[str, ...]:
    """The other models that a guidance names; none where it is no sound one, which the plan will tell."""
    try:
        return tuple(b.model for b in GUIDANCES.make(str(guidance)).branches.values() if b.model)
    except Refused:  # a number is no guidance's name, either
        return ()


def refuse_paths(record: Record, way: bool = True) -> None:
    """See that what a record tells of guidances, and it may be a stranger's, names no file of this machine.

    Args:
        way: whether the guidances of the requests that led to the picture count, too.
    Raises:
        Refused: it does.
    """
    requests = (record.request, *(leg["request"] for leg in record.past)) if way else ()
    told = {str(request["guidance"]) for request in requests if request.get("guidance") is not None}
    if any(is_path(name) for guidance in {record.guidance, *told} for name in others(guidance)):
        what = "the picture's record names another model by a path, which may be any file's"
        raise Refused(what, "give --guidance with a model that you have", "guidance")


def renamed(guidance: str, name: str, other: str) -> str:
    """The guidance with another name for one of its models."""
    return re.sub(rf"=\s*{re.escape(name)}\s*(?=,|$)", lambda _: f"={other}", guidance)


def _called(task: Generate, names: dict[str, str]) -> Generate:
    guidance = task.guidance
    for file in _paths(guidance):
        guidance = renamed(str(guidance), file, names[file])
    return replace(task, model=names.get(task.model, task.model), guidance=guidance)


def _paths(guidance: str | float | None) -> Iterator[str]:
    return filter(is_path, others(guidance))
