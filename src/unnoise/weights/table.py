"""A stranger's JSON table: read within bounds, every name once."""

import json
from pathlib import Path
from typing import Any, cast

from unnoise.core.error import Refused

LONGEST = 2**20


def read_table(path: Path) -> dict[str, Any]:
    """The table in a small JSON file.

    Raises:
        Refused: it cannot be read, is too long, or is no such table.
    """
    try:
        if not path.is_file():  # opening a pipe could wait for ever
            raise Refused(f"there is no file {path}", "the folder is not complete; download it", "model")
        with path.open("rb") as file:
            text = file.read(LONGEST + 1)
    except OSError as error:
        raise Refused(f"cannot read {path}", error.strerror or "check the path", "model") from None
    if len(text) > LONGEST:
        raise Refused(f"{path} is too long for settings", f"at most {LONGEST:,} bytes are read", "model")
    try:
        found = cast(object, json.loads(text, object_pairs_hook=_once))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:80]
        raise Refused(f"{path} is no JSON ({why})", "the file is damaged", "model") from None
    if not isinstance(found, dict):
        raise Refused(f"{path} is no table of settings", "the file is damaged", "model")
    return cast(dict[str, Any], found)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found
