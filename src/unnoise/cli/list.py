"""Name the models, samplers, spacings and other parts there are."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from unnoise.adapters.shelf import FOLDERS, Role, find, names
from unnoise.adapters.told import told
from unnoise.catalogue import describe, models
from unnoise.cli._parse import parse
from unnoise.cli._show import say, say_json
from unnoise.core.error import Refused
from unnoise.core.registry import Registry
from unnoise.weights.header import read_header
from unnoise.weights.sharded import weights_in


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Name the models, samplers, spacings and other parts there are.

    Where an option takes NAME, NAME:option=value,... sets the options that are listed here.

    Args:
        what: models, adapters, embeddings, controlnets, samplers, spacings, guidances, tasks, recipes, measures or
            features.
        json: One JSON object a line, and nothing else.
    """

    what: Literal[
        "models",
        "adapters",
        "embeddings",
        "controlnets",
        "samplers",
        "spacings",
        "guidances",
        "tasks",
        "recipes",
        "measures",
        "features",
    ]
    json: bool = False


@dataclass(frozen=True)
class Row:
    """One thing that can be named.

    Args:
        name: as it is typed.
        summary: one line about it.
        aliases: its other names.
        options: its options as "name=default".
    """

    name: str
    summary: str
    aliases: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def command(args: list[str]) -> int:
    asked = parse(Asked, args, "unnoise list")
    own: dict[str, Role] = {folder: role for role, folder in FOLDERS.items()}
    if asked.what in own:
        rows = list(_adapters(own[asked.what]))
    else:
        rows = list(_models() if asked.what == "models" else _entries(asked.what))
    for row in rows:
        if asked.json:
            say_json(**vars(row))
        else:
            say("\n".join(_lines(row, max(len(r.name) for r in rows))))
    if not rows and not asked.json:
        say(f"there are no {asked.what}")
    return 0


def _models() -> Iterator[Row]:
    for name in models():
        try:
            found = describe(name)
            size = f"{found.width}x{found.height}"
            yield Row(name, f"{found.title or found.family}, {size}, {found.parameters / 1e6:.1f} M parameters")
        except Refused as refused:
            yield Row(name, f"cannot be used: {refused}")


def _adapters(role: Role) -> Iterator[Row]:
    for name in names(role):
        try:
            path = find(name, role)
            said = told(read_header(weights_in(path) if path.is_dir() else path)) or {"kind": "nothing"}
            what = ", ".join(said.get("kinds", [said.get("variety", "a learnt word")]))
            if said["kind"] != role or not said.get("runs", True):
                yield Row(name, f"cannot be used: {what if said['kind'] == role else f'no {role}'}")
            else:
                yield Row(name, what if said["meant_for"] == "unknown" else f"{what} for {said['meant_for']}")
        except Refused as refused:
            yield Row(name, f"cannot be used: {refused}")


def _entries(what: str) -> Iterator[Row]:
    registry = _registry(what)
    for name in registry:
        yield Row(name, registry.summary(name), registry.other_names(name), tuple(_options(what, registry[name])))


def _registry(what: str) -> Registry[Any]:
    from unnoise.evaluate.features import FEATURES
    from unnoise.evaluate.measures import MEASURES
    from unnoise.guidances import GUIDANCES
    from unnoise.recipes import RECIPES
    from unnoise.samplers import SAMPLERS
    from unnoise.spacings import SPACINGS
    from unnoise.tasks import TASKS

    known = (FEATURES, GUIDANCES, MEASURES, RECIPES, SAMPLERS, SPACINGS, TASKS)
    return next(r for r in known if r.package.rpartition(".")[2] == what)


def _options(what: str, entry: Any) -> Iterator[str]:
    """What tasks and recipes take, their own help says."""
    if what not in ("tasks", "recipes") and is_dataclass(entry):
        for field in fields(entry):
            if field.init:
                shown = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
                yield f"{field.name}={shown}"


def _lines(row: Row, width: int) -> Iterator[str]:
    yield f"{row.name.ljust(width)}  {row.summary}"
    if row.options:
        yield f"{' ' * width}    options: {', '.join(row.options)}"
    if row.aliases:
        yield f"{' ' * width}    also: {', '.join(row.aliases)}"
