"""From JSON values, which may be a stranger's, back to a task. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, cast, get_args, get_origin, get_type_hints

from unnoise.core.error import Refused
from unnoise.tasks import TASKS


@cache
def _hints(kind: type[Any]) -> dict[str, tuple[type[Any], ...]]:
    hints = get_type_hints(kind).items()
    return {name: (list, tuple) if get_origin(h) is tuple else get_args(h) or (h,) for name, h in hints}


def fits(kind: type[Any], name: str, value: Any) -> bool:
    """Whether a task has such a field, and it takes a value of this type; a whole number will do for a real one, and a
    list of texts for a tuple."""
    wanted = _hints(kind).get(name, ())
    if isinstance(value, list | tuple):
        return type(value) in wanted and all(isinstance(each, str) for each in cast(Sequence[Any], value))
    return type(value) in wanted or (type(value) is int and float in wanted)


def task_of(name: str, request: Mapping[str, Any]) -> Any:
    """A record's request as a task.

    Raises:
        Refused: the task is unknown, or has no such field or no such value.
    """
    if name not in TASKS:
        raise Refused(f"the record is of the task '{name[:40]}', which is none we know", "upgrade unnoise", "task")
    kind = TASKS[name]
    for key, value in request.items():
        if not fits(kind, key, value):
            raise Refused(f"the record's request has {key[:40]!r}, which '{name}' cannot read", "upgrade unnoise", key)
    if missing := [f.name for f in fields(kind) if f.default is MISSING and f.name not in request]:
        raise Refused(f"the record's request has no {missing[0]}", "use the file as unnoise wrote it", missing[0])
    return kind(**{k: tuple(cast(list[str], v)) if isinstance(v, list) else v for k, v in request.items()})
