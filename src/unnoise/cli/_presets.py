"""Presets: settings under a name, a JSON file each in UNNOISE_HOME/presets."""

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unnoise.cli import _places as places
from unnoise.cli._request import HIDDEN
from unnoise.core.error import Refused
from unnoise.core.home import home
from unnoise.media import atomic
from unnoise.tasks._request import fits
from unnoise.tasks.generate import Generate

FORMAT = 1
LARGEST = 2**20


def folder() -> Path:
    return home() / "presets"


def names() -> list[str]:
    """The presets there are."""
    there = folder()
    return sorted(p.stem for p in there.glob("*.json") if _sound(p.stem)) if there.is_dir() else []


def save(name: str, values: Mapping[str, Any]) -> Path:
    """Keep these fields of a request under a name, in place of what was there.

    Raises:
        Refused: it is no name, or cannot be written.
    """
    path = _path(name)
    places.made(folder(), "home")
    text = json.dumps({"unnoise": FORMAT, "request": dict(values)}, indent=1)
    atomic.write(path, (text + "\n").encode())
    return path


def load(name: str) -> dict[str, Any]:
    """A preset's fields.

    Raises:
        Refused: there is none of this name, or it is damaged or too new.
    """
    path = _path(name)
    try:
        if path.exists() and not path.is_file():  # a pipe or a device, which would never end
            raise ValueError
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError
        said: Any = json.loads(data)
        version, values = said["unnoise"], dict(said["request"])
    except FileNotFoundError:
        raise _missing(name) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise Refused(f"the preset {path} is damaged", "save it again, or delete it", "preset") from None
    if version != FORMAT:
        raise Refused(f"the preset '{name}' was written by another unnoise", "save it again", "preset")
    if odd := [k for k, v in values.items() if k in HIDDEN or not fits(Generate, k, v)]:
        raise Refused(f"the preset '{name}' has {odd[0][:40]!r}, which is no setting", "save it again", "preset")
    return values


def delete(name: str) -> None:
    """Take a preset away.

    Raises:
        Refused: there is none of this name, or it cannot be removed.
    """
    try:
        _path(name).unlink()
    except FileNotFoundError:
        raise _missing(name) from None
    except OSError as error:
        raise Refused(f"cannot delete the preset '{name}'", error.strerror or "check the folder", "preset") from None


def _path(name: str) -> Path:
    if not _sound(name):
        what = f"'{name[:60]}' is no preset's name"
        raise Refused(what, "use up to 64 letters, digits, dots, dashes and underscores", "preset")
    return folder() / f"{name}.json"


def _sound(name: str) -> bool:
    return re.fullmatch(r"[^\W_][\w.-]{0,63}", name) is not None


def _missing(name: str) -> Refused:
    known = names()
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return Refused(f"there is no preset '{name}'", f"{hint}known are {', '.join(known) or 'none'}", "preset")
