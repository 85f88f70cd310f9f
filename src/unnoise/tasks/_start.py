"""Going on from a paused run: what must agree, and what may have changed. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.core.state import Paused, State
from unnoise.media.record import LEGS
from unnoise.tasks._plan import Plan

if TYPE_CHECKING:
    import torch

    from unnoise.core.model import Model
    from unnoise.core.trajectory import Trajectory
    from unnoise.media.record import Record


def check_start(paused: Paused, plan: Plan, model: Description) -> Paused:
    """A paused run that this plan can go on from: the model and the size are fixed, all else may change.

    Raises:
        Refused: it is another task's, another model's, of another size, or was changed too often.
    """
    record: Record = paused.record
    if record.task != "generate":
        raise Refused(f"the state is of the task '{record.task[:40]}'", "go on with that", "start")
    own, known = set(model.files.values()), set(record.files.values())
    if not own <= known or bool(own) != bool(known):  # a guidance may have brought files of its own
        what = f"the state was saved with other weights than those of '{model.name}'"
        raise Refused(what, f"go on with '{record.model[:60]}' as it was then", "model")
    for name, now in (("width", plan.width), ("height", plan.height)):
        if (then := getattr(record, name)) != now:
            raise Refused(f"the state is of a picture of {name} {then}, not {now}", f"leave --{name} out", name)
    if len(record.past) >= LEGS:  # a record of one more could not be read
        raise Refused(f"the state is of a run that was changed {LEGS} times", "begin anew", "start")
    return paused


def fitting(state: State, model: Model, shape: tuple[int, ...], trajectory: Trajectory) -> None:
    """See that a state is one that this model could have been in.

    Raises:
        Refused: its sample has another shape, its level lies off the model's path, or nothing is left to do.
    """
    from unnoise.core.trajectory import level_at

    if tuple(state.x.shape) != (1, *shape):
        found = "x".join(map(str, state.x.shape[1:]))
        raise Refused(f"the state's sample is {found}, the model's {'x'.join(map(str, shape))}", "use its model")
    level = state.level
    own = level_at(model.schedule, min(float(level.t), 1.0))
    for mine, theirs in ((own.alpha, level.alpha), (own.sigma, level.sigma), (own.t, level.t)):
        if abs(float(mine) - float(theirs)) > 1e-3 * (1 + abs(float(mine))):
            raise Refused("the state's level lies off the model's noise schedule", "use its own model", "start")
    if not any(True for _ in state.remaining(trajectory)):
        raise Refused("nothing is left to do after this state", "pause earlier, or take more steps", "start")


def going_on(state: State, device: torch.device) -> State:
    """The state on a device; single numbers, and those in double precision, stay where levels are: on the CPU."""
    from unnoise.core.state import State

    def moved(value: torch.Tensor) -> torch.Tensor:
        return value if value.ndim == 0 or str(value.dtype) == "torch.float64" else value.to(device)

    memory = {name: moved(value) for name, value in state.memory.items()}
    data = None if state.data is None else state.data.to(device)
    return State(state.x.to(device), state.level, state.step, data, memory)


def guarded(states: Iterator[State]) -> Iterator[State]:
    """A sampler's states from a state that came out of a file.

    Raises:
        Refused: the sampler cannot read what stands in the state's memory under its name.
    """
    from torch import OutOfMemoryError

    while True:
        try:
            state = next(states)
        except StopIteration:
            return
        except (Refused, OutOfMemoryError):
            raise
        except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            what = f"the sampler cannot go on from this state's memory ({type(error).__name__})"
            raise Refused(what, "use the state as it was saved, or another sampler", "start") from error
        yield state
