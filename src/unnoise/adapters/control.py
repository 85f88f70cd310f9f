"""What a request says of a ControlNet: its picture, how strongly it counts, and when. Imports no torch.

A spec is FILE:image=PICTURE, and behind commas, in any order, weight=1, start=0 and end=1.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from unnoise.core.error import Refused

MOST = 10.0
FIELD = "control"
_OPTIONS = "image|weight|start|end"
_FIRST, _NEXT = re.compile(rf":(?=(?:{_OPTIONS})=)"), re.compile(rf",(?=(?:{_OPTIONS})=)")
_EXAMPLE = "write FILE:image=PICTURE,weight=0.8,start=0,end=0.5"


@dataclass(frozen=True)
class WantedControl:
    """A ControlNet that a request asks for.

    Args:
        name: its name or file.
        image: the picture it looks at: a file on the command line, a sha256 in a request.
        weight: how strongly it counts.
        start, end: the part of the run in which it acts, from 0 to 1.
    """

    name: str
    image: str
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0

    def __str__(self) -> str:
        numbers = {"weight": self.weight, "start": self.start, "end": self.end}
        return f"{self.name}:image={self.image}" + "".join(f",{k}={v:.12g}" for k, v in numbers.items())

    def at(self, name: str, image: str) -> "WantedControl":
        """The same by another name, of a picture by another name."""
        return replace(self, name=name, image=image)


def parsed_control(spec: str) -> WantedControl:
    """FILE:image=PICTURE,weight=1,start=0,end=1 as a ControlNet at work; commas and colons in a path belong to it.

    Raises:
        Refused: it names no file or no picture, or a number is none or out of range.
    """
    name, *rest = _FIRST.split(spec, maxsplit=1)
    said = dict[str, str]()
    for option in _NEXT.split(rest[0]) if rest else ():
        key, _, value = option.partition("=")
        if key in said:
            raise _refused(spec, f"has {key} twice")
        said[key] = value
    if not name or "\0" in spec:
        raise _refused(spec, "names no file")
    if not said.get("image"):
        raise _refused(spec, "has no picture to go by")
    found = WantedControl(name, said["image"], *(_number(spec, said, k, d) for k, d in _DEFAULTS.items()))
    if not 0 < abs(found.weight) <= MOST:
        remedy = "leave it out" if not found.weight else f"from {-MOST:g} to {MOST:g}"
        raise Refused(f"--{FIELD} {spec[:80]!r} has the weight {found.weight:g}", remedy, FIELD)
    if not 0 <= found.start < found.end <= 1:
        what = f"--{FIELD} {spec[:80]!r} acts from {found.start:g} to {found.end:g} of the run"
        raise Refused(what, "start and end lie between 0 and 1, start before end", FIELD)
    return found


_DEFAULTS: Mapping[str, float] = {"weight": 1.0, "start": 0.0, "end": 1.0}


def _number(spec: str, said: Mapping[str, str], key: str, default: float) -> float:
    try:
        number = float(said.get(key, default))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _refused(spec, f"has {key}={said[key][:20]}")
    return number


def _refused(spec: str, fault: str) -> Refused:
    return Refused(f"--{FIELD} {spec[:80]!r} {fault}", _EXAMPLE, FIELD)
