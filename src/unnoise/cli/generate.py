"""Make pictures from words; go on with one, or make one again with more steps, or others like it."""

from dataclasses import field, make_dataclass, replace
from typing import TYPE_CHECKING, Any

from unnoise.cli._adapters import known
from unnoise.cli._make import Way, make, named
from unnoise.cli._options import Machine, Output, Pause
from unnoise.cli._parse import parse
from unnoise.cli._request import WORDS, Source, given, merged
from unnoise.cli._shelf import as_told
from unnoise.cli._sources import base
from unnoise.core.error import Refused
from unnoise.core.sampler import alone
from unnoise.samplers import SAMPLERS

if TYPE_CHECKING:
    from unnoise.catalogue import Shelf
    from unnoise.core.state import Paused
    from unnoise.media.record import Record
    from unnoise.tasks.generate import Generate

Asked: Any = make_dataclass(
    "Asked",
    [
        ("picture", WORDS),
        ("source", Source, field(default_factory=Source)),
        ("pause", Pause, field(default_factory=Pause)),
        ("output", Output, field(default_factory=Output)),
        ("machine", Machine, field(default_factory=Machine)),
    ],
    frozen=True,
    kw_only=True,
)
Asked.__doc__ = """Make pictures from words.

unnoise generate "a red apple" --count 4 --out apples/

unnoise generate "cat face" --seed 3 --pause-at 12 --state cat.safetensors

unnoise generate "dog face" --resume cat.safetensors

unnoise generate --refine out/a-red-apple-3.png --steps 60
"""


def command(args: list[str]) -> int:
    asked = parse(Asked, args, "unnoise generate")
    said = given(asked.picture)
    found = base(asked.source, said)
    way = Way(found.start, asked.pause, found.notes)
    task, machine = merged(said, found.fields), as_told(asked.machine, found.reading)
    if found.draft is None:
        return make(task, asked.output, machine, way)
    _check_finer(task, found.draft)
    task, shelf = named(task, machine)
    task.plan(shelf.describe(task.model))
    start, notes = _half_way(found.draft, task, shelf)
    return make(task, asked.output, machine, replace(way, start=start, notes=(*way.notes, *notes)), shelf)


def _check_finer(task: "Generate", draft: "Record") -> None:
    """See that a draft is to be made again with more steps than it had.

    Raises:
        Refused: it is not.
    """
    had = draft.request.get("steps")
    if task.sampler and alone(SAMPLERS.make(task.sampler)):
        raise Refused(f"the sampler '{task.sampler}' chooses its steps itself", "give another --sampler", "sampler")
    if task.steps is None or (isinstance(had, int) and task.steps <= had):
        more = f"more than the draft's {had}" if isinstance(had, int) else "more than the draft had"
        raise Refused("--refine makes a picture with more steps", f"give --steps, {more}", "steps")


def _half_way(draft: "Record", task: "Generate", shelf: "Shelf") -> "tuple[Paused | None, list[str]]":
    """The draft's run at the first level with as much data as noise, made again; None where it has none before its end.

    Until there a picture's composition comes about; after it, its details, which more steps are for.
    """
    levels = draft.levels
    step = next((k for k, (_, alpha, sigma) in enumerate(levels) if k and alpha >= sigma), len(levels) - 1)
    if step >= len(levels) - 1:
        return None, ["the draft has no step between noise and picture, so only its settings are taken over"]
    from unnoise.tasks._legs import halted
    from unnoise.tasks._trail import parting

    drawn = replace(draft, model=task.model)
    shelf.adapters = shelf.adapters.beside(known(draft))
    start = halted(drawn, shelf, step)
    parted = parting(draft.trail[:step], start.record.trail) if draft.trail else None
    notes = [f"the draft's own way could not be repeated exactly: it parts at step {parted.step}"] if parted else []
    return start, notes
