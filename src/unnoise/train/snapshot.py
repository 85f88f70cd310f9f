"""Snapshots: a run's whole state in one folder, there entirely or not at all.

A snapshot is written into a hidden folder beside its place, every file forced to the disk, its manifest last, and then
renamed; one that goes is first renamed and then emptied. A kill at any moment leaves the snapshot before it.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from unnoise.core.error import Refused
from unnoise.media.atomic import settle, write
from unnoise.weights.store import read_tensors, write_tensors

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Snapshot:
    """A finished one.

    Args:
        path: its folder.
        step: steps done.
        facts: what the run must agree with to go on (its recipe's fields).
    """

    path: Path
    step: int
    facts: Mapping[str, str]

    def tensors(self) -> dict[str, Tensor]:
        """The run's tensors, as `Trainer.tensors` named them."""
        return read_tensors(self.path / "state.safetensors")


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, str], keep: int = 2) -> Snapshot:
    """Write the snapshot of a step and remove all but the newest `keep`.

    Raises:
        Refused: the folder cannot be written to, or is full; what was there before is untouched.
    """
    place = folder / f"step-{step:08d}"
    staged = folder / f".{place.name}.tmp"
    try:
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        write_tensors(staged / "state.safetensors", tensors, {"step": str(step)})
        _tell(staged, step, facts)
        settle(staged)
        _remove(place)
        staged.replace(place)
        settle(folder)
    except OSError as error:
        raise Refused(f"cannot write the snapshot {place}", error.strerror or str(error), "out") from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    for old in every(folder)[:-keep]:
        _remove(old.path)
    return Snapshot(place, step, facts)


def retold(found: Snapshot, facts: Mapping[str, str]) -> Snapshot:
    """A snapshot whose run goes on with these facts, such as more steps, which then last however it ends.

    Raises:
        Refused: the folder cannot be written to.
    """
    if found.facts != facts:
        _tell(found.path, found.step, facts)
    return replace(found, facts=facts)


def every(folder: Path) -> list[Snapshot]:
    """The finished snapshots of a folder, oldest first."""
    found: list[Snapshot] = []
    for path in folder.glob("step-*"):
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            found.append(Snapshot(path, int(manifest["step"]), manifest["facts"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(found, key=lambda snapshot: snapshot.step)


def sweep(folder: Path) -> None:
    """Remove what a killed run left in the making."""
    for path in folder.glob(".*.tmp"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _tell(folder: Path, step: int, facts: Mapping[str, str]) -> None:
    write(folder / MANIFEST, json.dumps({"step": step, "facts": dict(facts)}, sort_keys=True).encode())


def _remove(path: Path) -> None:
    """Take a snapshot away in one move, so that half of one never stands under its name."""
    leaving = path.with_name(f".{path.name}.old.tmp")
    shutil.rmtree(leaving, ignore_errors=True)
    if path.exists():
        path.replace(leaving)
        shutil.rmtree(leaving, ignore_errors=True)
