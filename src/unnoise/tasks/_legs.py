"""A picture's run again, from its record: each request that had a part in it, up to where the next one took over."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from unnoise.core.error import Refused
from unnoise.core.event import Event, Progress
from unnoise.core.model import Library
from unnoise.core.state import Paused
from unnoise.media.record import Record
from unnoise.tasks._request import task_of
from unnoise.tasks._sample import sample
from unnoise.tasks._start import check_start


def rerun(record: Record, library: Library) -> Iterator[Event]:
    """The events of a record's picture, those of its last request.

    Raises:
        Refused: the record's requests cannot be honoured here.
    """
    if record.task == "upscale":
        yield from task_of(record.task, {**record.request, "model": record.model}).run(library)
        return
    start = None
    for leg in record.past:
        start = _until(record, leg["request"], library, start, leg["until"])
    yield from _events(record, record.request, library, start)


def halted(record: Record, library: Library, step: int) -> Paused:
    """A record's run as it was after this step.

    Raises:
        Refused: as `rerun`, or it ends before.
    """
    start = None
    for leg in record.past:
        if leg["until"] >= step:
            return _until(record, leg["request"], library, start, step)
        start = _until(record, leg["request"], library, start, leg["until"])
    return _until(record, record.request, library, start, step)


def _until(record: Record, request: Mapping[str, Any], library: Library, start: Paused | None, step: int) -> Paused:
    with closing(_events(record, request, library, start)) as events:
        for event in events:
            if isinstance(event, Progress) and event.step == step:
                return event.paused()
    raise Refused(f"the run ends before step {step}", "the record is not that of its picture", "steps")


def _events(record: Record, request: Mapping[str, Any], library: Library, start: Paused | None) -> Any:
    """As the task's own `run`, from a state that is at hand rather than named."""
    task = task_of(record.task, {k: v for k, v in request.items() if k != "start"} | {"model": record.model})
    if start is None and request.get("start") is not None:
        raise Refused("the picture went on from a state that its record does not tell of", "there is no way back")
    description = library.describe(task.model)
    plan = task.plan(description)
    return sample(plan, task, library, None if start is None else check_start(start, plan, description))
