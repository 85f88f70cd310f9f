"""The options that a run was begun with: kept with its snapshots, and what it goes on with."""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import field, fields, make_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

if TYPE_CHECKING:
    from unnoise.train.snapshot import Snapshot

FREE = ("data", "latents", "start", "trunk", "codec", "compiled", "previews")
"""Options that may be others when a run goes on: folders and files move, and its weights do not turn on the rest.

What it was begun from is in its snapshots, and only gives the network's shape then.
"""


def told(name: str, recipe: Any) -> dict[str, str]:
    """A recipe and its options as facts of a run: its name, and each option as JSON, folders from the root."""
    options = {f.name: getattr(recipe, f.name) for f in fields(recipe)}
    rooted = {key: _rooted(value) if key in FREE else value for key, value in options.items()}
    return {"recipe": name, **{key: json.dumps(value, default=str) for key, value in rooted.items()}}


def as_begun(kind: type[Any], found: "Snapshot") -> type[Any]:
    """A recipe whose defaults are the options of the run that it goes on with, but for its flags."""
    hints, known = get_type_hints(kind), list[tuple[str, Any, Any]]()
    for each in (f for f in fields(kind) if not isinstance(f.default, bool)):
        with suppress(KeyError, ValueError):  # a run of before the option, or a damaged one
            value = _typed(json.loads(found.facts[each.name]), hints[each.name])
            known.append((each.name, hints[each.name], field(default=value, metadata=each.metadata)))
    return make_dataclass(kind.__name__, known, bases=(kind,), frozen=True, kw_only=True)


def flagged(recipe: Any, found: "Snapshot") -> Any:
    """A recipe with the flags of the run that it goes on with.

    A flag is given or not: one that were on by default could not be given again, nor taken back.
    """
    flags = {f.name for f in fields(recipe) if isinstance(f.default, bool)} - set(FREE)
    on = {name: True for name in flags if found.facts.get(name) == "true"}
    return replace(recipe, **on)


def agree(found: "Snapshot", facts: Mapping[str, str], free: Collection[str] = FREE) -> None:
    """Whether a recipe is that of the run it goes on with, as far as its options say.

    Raises:
        Refused: it is not.
    """
    from unnoise.train.session import check_facts

    check_facts(found, {**found.facts, **facts}, free)


def freed(found: "Snapshot", recipe: Any) -> tuple[str, ...]:
    """Options that may be others, and those that came after the run was begun: the run had what is their default."""
    later = (f.name for f in fields(recipe) if f.name not in found.facts and getattr(recipe, f.name) == f.default)
    return (*FREE, *later)


def _rooted(value: Any) -> Any:
    """A file's or folder's name as it is from everywhere; what is none, as it is."""
    from unnoise.weights.shelves import is_path

    if isinstance(value, Path) or (isinstance(value, str) and is_path(value)):
        return str(Path(value).expanduser().absolute())
    return value


def _typed(value: Any, hint: Any) -> Any:
    """A value that came from JSON as a field of this type has it."""
    if isinstance(value, list):
        return tuple(value)
    return Path(value) if isinstance(value, str) and Path in (hint, *get_args(hint)) else value
