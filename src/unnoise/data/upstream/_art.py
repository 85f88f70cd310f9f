"""What an art repository has, before a pixel is drawn."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from unnoise.core.error import Refused
from unnoise.data.emoji.names import Named
from unnoise.data.emoji.points import Points


@dataclass(frozen=True)
class Style:
    """One way of drawing.

    Args:
        name: as pictures are named by it.
        words: the style phrase of captions.
        share: of the picture's side that the drawing gets; below 1 where it has no margin of its own.
    """

    name: str
    words: str
    share: float = 1.0


@dataclass(frozen=True)
class Art:
    """One drawing.

    Args:
        style: which of the repository's.
        points: the emoji.
        path: the file, from the repository's folder on.
        own: what the repository itself says of it.
    """

    style: Style
    points: Points
    path: Path
    own: Named | None = None


class Upstream(Protocol):
    """A public art repository, as it is cloned.

    `licence` is an SPDX name; `attribution` the words that have to go along with the pictures.
    """

    @property
    def address(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def attribution(self) -> str: ...
    @property
    def styles(self) -> tuple[Style, ...]: ...
    def art(self, folder: Path, /) -> Iterator[Art]:
        """Everything there is in a clone, in one order; Refused where the folder is none."""
        ...


def no_clone(folder: Path, address: str, lacks: str) -> Refused:
    """The error of a folder that is something else."""
    name = address.rpartition("/")[2]
    there = "there is no such folder" if not folder.is_dir() else f"there is no {lacks} in it"
    return Refused(f"{folder} is no clone of {name}: {there}", f"clone {address} and name that folder", name)


def listed(folder: Path, suffix: str) -> list[Path]:
    """A folder's files of this suffix, in order of their names; none where there is no such folder."""
    return sorted(folder.glob(f"*{suffix}")) if folder.is_dir() else []
