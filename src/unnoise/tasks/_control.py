"""The ControlNets that a request asks for: checked, put onto its model, and told of. Imports no torch."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unnoise.adapters.control import FIELD, parsed_control
from unnoise.core.error import Refused
from unnoise.tasks._adapt import told

if TYPE_CHECKING:
    from unnoise.core.model import Library, Model
    from unnoise.core.trajectory import Trajectory
    from unnoise.tasks._plan import Plan

MOST = 16


def check_controls(specs: Sequence[str]) -> tuple[str, ...]:
    """ControlNets with their pictures, written out.

    Raises:
        Refused: one cannot be read, is there twice with the same picture, or they are too many.
    """
    if isinstance(specs, str):
        raise Refused(f"control is one text, {specs[:60]!r}", "give a tuple of them", FIELD)
    found = [parsed_control(spec) for spec in specs]
    if len(found) > MOST:
        raise Refused(f"--control is given {len(found)} times", f"at most {MOST}", FIELD)
    pairs = [(each.name, each.image) for each in found]
    if twice := next((name for name, image in pairs if pairs.count((name, image)) > 1), ""):
        raise Refused(f"--control {twice[:80]!r} is given twice with one picture", "give it once", FIELD)
    return tuple(map(str, found))


def is_digest(image: str) -> bool:
    """Whether a picture is named by its pixels' sha256."""
    return re.fullmatch("[0-9a-f]{64}", image) is not None


def steered(plan: "Plan", model: "Model", library: "Library", trajectory: "Trajectory") -> "Model":
    """The model with all of them on; the one given stays as it is.

    Raises:
        Refused: one is not there, or does not fit the model, or the library does not hold its picture.
    """
    if not plan.control:
        return model
    from unnoise.adapters.controlled import Given, controlled

    wanted = [parsed_control(spec) for spec in plan.control]
    given = [Given(library.control(each.name), library.picture(each.image), each) for each in wanted]
    return controlled(model, given, trajectory, plan.width, plan.height)


def pictures_of(request: Mapping[str, Any]) -> tuple[str, ...]:
    """The sha256 of each picture that a request's ControlNets look at.

    Raises:
        Refused: one cannot be read.
    """
    return tuple(dict.fromkeys(parsed_control(spec).image for spec in told(request, FIELD)))
