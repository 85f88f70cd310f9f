"""Drawings as pictures: SVG by way of pixels, brought to one size, compressed. Runs in worker processes."""

from dataclasses import dataclass
from pathlib import Path

from unnoise.core.error import Refused
from unnoise.media.container import read_bytes
from unnoise.media.cutout import Cutout, cutout
from unnoise.media.vector import drawn

FINEST = 512
"""SVG is drawn this wide at least, and twice the picture's side: shrinking smooths better than drawing small does."""


@dataclass(frozen=True)
class Drawing:
    """A file to draw.

    Args:
        folder: a clone.
        path: the file in it, which errors name.
        size: the picture's side in pixels.
        share: of that side for the drawing.
    """

    folder: Path
    path: Path
    size: int
    share: float


def inside(folder: Path, path: Path) -> Path:
    """A file of a clone: a link in it may lead to whatever lies on this machine.

    Raises:
        Refused: it leads out of the clone.
    """
    if not path.resolve().is_relative_to(folder.resolve()):
        raise Refused(f"{path} is a link out of the clone", "replace it by what it should be")
    return path


def draw_all(drawings: tuple[Drawing, ...]) -> list[Cutout | str]:
    """Each drawing as a picture; or what is wrong with it."""
    return [_draw(drawing) for drawing in drawings]


def _draw(drawing: Drawing) -> Cutout | str:
    name = str(drawing.path)
    try:
        data = read_bytes(inside(drawing.folder, drawing.folder / drawing.path))
        if drawing.path.suffix == ".svg":
            data = drawn(data, max(FINEST, 2 * drawing.size), name)
        return cutout(data, name, drawing.size, drawing.share)
    except Refused as refused:
        return str(refused)
