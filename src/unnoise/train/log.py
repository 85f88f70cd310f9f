"""The log of a run, log.jsonl: one JSON object a line, whole lines only."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from unnoise.core.error import Refused
from unnoise.media.atomic import write


class Log:
    """Lines about steps, appended and flushed one by one.

    Args:
        path: the file; its folder exists.
        step: what stands there about later steps is dropped, for it will be written again.

    Raises:
        Refused: the file cannot be written.
    """

    def __init__(self, path: Path, step: int = 0) -> None:
        self.path = path
        self.lines = [line for line in read(path) if line["step"] <= step] if step else []
        write(path, "".join(json.dumps(line) + "\n" for line in self.lines).encode())
        self._file = path.open("a", encoding="utf-8")

    def add(self, line: Mapping[str, Any]) -> None:
        """Write a line; it names its step."""
        try:
            self._file.write(json.dumps(dict(line)) + "\n")
            self._file.flush()
        except OSError as error:
            raise Refused(f"cannot write {self.path}", error.strerror or str(error), "out") from None

    def close(self) -> None:
        with suppress(OSError):  # a line that could not be written was told, and is tried once more here
            self._file.close()


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; one that a kill cut short is left out."""
    found: list[dict[str, Any]] = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            line = json.loads(text)
            found += [line] if isinstance(line.get("step"), int) else []
        except (ValueError, AttributeError):
            continue
    return found
