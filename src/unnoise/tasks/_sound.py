"""Numbers that overflow are refused, not drawn: options may be any number, and their powers may not."""

from collections.abc import Iterator

import torch

from unnoise.core.error import Refused
from unnoise.core.model import Model
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory
from unnoise.spacings import SPACINGS
from unnoise.tasks._plan import Plan

_OVERFLOW = "value cannot be converted"
"""How torch begins to say, in a RuntimeError, that a number is beyond a tensor's type."""


def laid(plan: Plan, model: Model, shape: tuple[int, ...]) -> Trajectory:
    """The levels that a plan visits.

    Raises:
        Refused: the spacing refuses them, or its options lead beyond what a number can be.
    """
    spacing = SPACINGS.make(plan.spacing) if plan.spacing else model.spacing
    try:
        return spacing(model.schedule, plan.steps, shape)
    except ArithmeticError:
        what = f"the spacing '{plan.spacing[:80]}' leads to numbers that are not finite"
        raise Refused(what, "use options nearer to the usual ones", "spacing") from None


def finite(states: Iterator[State], plan: Plan) -> Iterator[State]:
    """A sampler's states, while their samples are numbers.

    Raises:
        Refused: the sampler's or the guidance's options led beyond what a number can be.
    """
    step = 0
    try:
        for state in states:
            step = state.step
            if not bool(torch.isfinite(state.x).all()):
                raise ArithmeticError
            yield state
    except (ArithmeticError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not str(error).startswith(_OVERFLOW):
            raise
        asked = f"'{plan.sampler[:80]}' with the guidance '{plan.guidance[:80]}'"
        what = f"the sampler {asked} leads to numbers that are not finite by step {step}"
        raise Refused(what, "use options nearer to the usual ones, or --dtype float32", "sampler") from None
