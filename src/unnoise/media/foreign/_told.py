"""What a picture of another program tells, and how a stranger's values become plain ones."""

import json
import math
from dataclasses import dataclass, fields
from typing import Any, cast

from unnoise.media.infotext import plain

LONGEST = 4 * 2**20
"""The most characters of JSON that are read."""
_SCHEDULES = ("", "automatic", "normal")
"""What other programs call the schedule that comes with the model or the sampler."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """A picture's settings. Names of samplers, schedules and models are the program's own; None is what it left out.

    Args:
        program: that made it.
        prompt, negative: the words as they were written.
        sampler, schedule: the method and how its steps are spaced.
        steps: of the sampler.
        guidance: the scale of classifier-free guidance.
        seed: of the picture.
        model: the checkpoint's name.
        width, height: in pixels, as they were asked for.
        strength: of a variation, 0 to 1.
    """

    program: str
    prompt: str = ""
    negative: str = ""
    sampler: str = ""
    schedule: str = ""
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = None
    model: str = ""
    width: int | None = None
    height: int | None = None
    strength: float | None = None

    def values(self) -> dict[str, str | int | float]:
        """What was told, by field."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in found.items() if value not in ("", None)}

    def request(self) -> dict[str, str | int | float]:
        """The same as fields of a request to generate; the model, of which we know the name alone, stays out.

        Whether sampler and spacing are known here is for the request's own checks to say.
        """
        names = ("prompt", "negative", "steps", "guidance", "seed", "width", "height")
        found = {name: value for name, value in self.values().items() if name in names}
        if sampler := self.sampler.removeprefix("sample_").removesuffix("_gpu"):
            found["sampler"] = sampler
        if self.schedule.lower() not in _SCHEDULES:
            found["spacing"] = self.schedule
        return found


def table(text: str | None) -> dict[str, Any]:
    """The JSON object that a text is; empty where it is none, damaged, too deep or too long."""
    if text is None or len(text) > LONGEST or not text.lstrip().startswith("{"):
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def inner(value: Any) -> dict[str, Any]:
    """A value that should be an object, as one."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def words(value: Any) -> str:
    """A value that should be a text, as one that can be shown and kept."""
    return plain(value).strip() if isinstance(value, str) else ""


def whole(value: Any, most: int = 2**64 - 1) -> int | None:
    """A value that should be a whole number from 0 to `most`: a number, or a text of one."""
    number = real(value)
    if number is None or not 0 <= number <= 2**64:
        return None
    exact = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
    exact = exact if isinstance(exact, int) else int(number) if number == int(number) else -1
    return exact if 0 <= exact <= most else None


def real(value: Any) -> float | None:
    """A value that should be a finite number: one, or a text of one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or (isinstance(value, str) and value[40:]):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def side(value: Any) -> int | None:
    """A picture's side in pixels."""
    return whole(value, 2**20) or None


def sides(text: str) -> tuple[int | None, int | None]:
    """Width and height of "512x768" or "(512, 768)"."""
    parts = text[:40].strip("() ").replace("x", ",").split(",")
    return (side(parts[0].strip()), side(parts[1].strip())) if len(parts) == 2 else (None, None)
