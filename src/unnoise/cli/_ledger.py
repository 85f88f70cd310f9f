"""What a folder of a batch knows of itself, so that a killed batch goes on where it stopped.

`batch.json` is written before the first picture: each line's request by its digest, and its seed where none was given.
A picture's name follows from its line, prompt and seed, and a file under its final name is whole: what is there is
done. The folder is locked while a batch writes into it, and the lock ends with the process, however that ends.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from unnoise.core.alone import alone
from unnoise.core.error import Refused
from unnoise.media.atomic import PREFIX, SUFFIX, write
from unnoise.tasks._plan import json_request
from unnoise.tasks.generate import Generate

NAME, LOCK = "batch.json", ".unnoise-batch.lock"


@dataclass(frozen=True)
class Ledger:
    """A batch as it was begun.

    Args:
        settings: what every picture depends on: the format, how it is computed, each model's files.
        lines: by line number, the digest of its request and its first seed.
    """

    settings: Mapping[str, Any]
    lines: Mapping[int, tuple[str, int]]

    def json(self) -> str:
        lines = [{"line": n, "request": digest, "seed": seed} for n, (digest, seed) in sorted(self.lines.items())]
        return json.dumps({"unnoise_batch": 1, **self.settings, "lines": lines}, indent=1, sort_keys=True)

    def keep(self, folder: Path) -> None:
        """Write it, before any picture is made."""
        write(folder / NAME, self.json().encode())


def digest(task: Generate) -> str:
    """A request's identity: equal requests have equal ones, however they were written."""
    return hashlib.sha256(json.dumps(json_request(task), sort_keys=True).encode()).hexdigest()


def agree(folder: Path, source: Path, settings: Mapping[str, Any], tasks: Mapping[int, Generate]) -> Ledger:
    """The folder's ledger for these requests, by line: that of before with new lines added, not written yet.

    Raises:
        Refused: the folder was begun with other requests, settings or models.
    """
    known = _read(folder / NAME)
    before = known.lines if known else {}
    for number, (old, _) in sorted(before.items()):
        if number not in tasks or digest(tasks[number]) != old:
            what = f"{source} has changed since {folder} was begun: line {number} is another"
            raise Refused(what, "bring the line back as it was, or give another --out", "file")
    if known:
        _same_settings(known.settings, settings, folder)
    lines = {number: before.get(number) or (digest(task), _seed(task)) for number, task in tasks.items()}
    return Ledger(_joined(known.settings if known else {}, settings), lines)


@contextlib.contextmanager
def locked(folder: Path) -> Generator[bool]:
    """Hold the folder against another batch, and sweep away what a killed one left half-written.

    Yields:
        Whether the folder was begun before.
    Raises:
        Refused: another batch is writing into it.
    """
    try:  # not through a link, which would make a file elsewhere
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    except OSError as error:
        what = f"cannot lock {folder} ({error.strerror}: {LOCK})"
        raise Refused(what, "remove that, or give another --out", "out") from None

    def busy() -> None:
        raise Refused(f"another batch is writing into {folder}", "wait for it, or give another --out", "out") from None

    try:
        with alone(handle, busy):
            for path in folder.glob(f"{PREFIX}*{SUFFIX}"):
                with contextlib.suppress(OSError):  # a folder of that name is none of ours
                    path.unlink()
            yield (folder / NAME).exists()
    finally:
        os.close(handle)


def _read(path: Path) -> Ledger | None:
    if not path.exists():
        return None
    try:
        if not path.is_file():  # a pipe of that name would never end
            raise ValueError
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.pop("unnoise_batch") != 1:
            raise ValueError
        lines = {int(e["line"]): (str(e["request"]), int(e["seed"])) for e in found.pop("lines")}
        found["models"] = dict(found.get("models") or {})
        return Ledger(found, lines)
    except (OSError, ArithmeticError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise Refused(f"{path} is no batch's", "give another --out", "out") from None


def _same_settings(old: Mapping[str, Any], new: Mapping[str, Any], folder: Path) -> None:
    for name, value in new.items():
        if name == "models":
            before = cast(dict[str, Any], old["models"])
            changed = [m for m in value if m in before and before[m] != value[m]]
            if changed:
                what = f"the model '{changed[0]}' has changed since {folder} was begun"
                raise Refused(what, "bring its file back, or give another --out", "model")
        elif old.get(name) != value:
            raise Refused(
                f"{folder} was begun with {name} {old.get(name)}", f"keep {name}, or give another --out", name
            )


def _joined(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {**old, **new, "models": {**old.get("models", {}), **new["models"]}}


def _seed(task: Generate) -> int:
    return int.from_bytes(os.urandom(4), "little") if task.seed is None else task.seed
