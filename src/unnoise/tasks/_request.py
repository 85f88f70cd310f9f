"""From JSON values, which may be a stranger's, back to a task. Imports no torch."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, get_args, get_type_hints

from unnoise.core.error import Refused
from unnoise.tasks import TASKS


@cache
def _hints(kind: type[Any]) -> dict[str, tuple[type[Any], ...]]:
    return {name: get_args(hint) or (hint,) for name, hint in get_type_hints(kind).items()}


def fits(kind: type[Any], name: str, value: Any) -> bool:
    """Whether a task has such a field, and it takes a value of this type; a whole number will do for a real one."""
    wanted = _hints(kind).get(name, ())
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
    return kind(**request)
