"""A picture beside the one that its record makes now, and what parts the two where they are not the same."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.core.error import Refused
from unnoise.core.event import Result
from unnoise.media.record import Record

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.tasks._trail import Parting

_UNTOLD = "parts at a step that the record does not tell"


@dataclass(frozen=True)
class Given:
    """A picture as its file holds it: its bytes, its texts and its record."""

    path: Path
    data: bytes
    texts: dict[str, str]
    record: Record


@dataclass(frozen=True)
class Verdict:
    """What making a picture again came to.

    Args:
        identical: whether the file holds the picture that was made again, and its record is as it was written.
        reasons: why not, one sentence each; of an identical one, what is worth knowing.
        parting: the first step at which the two runs part, where the record can tell.
    """

    identical: bool
    reasons: tuple[str, ...] = ()
    parting: "Parting | None" = None


def given(path: Path) -> Given:
    """Read a picture.

    Raises:
        Refused: it is none, or carries no record.
    """
    from unnoise.media.container import read_bytes
    from unnoise.media.embed import metadata
    from unnoise.media.record import from_json

    data = read_bytes(path)
    texts = metadata(data, str(path))
    if "unnoise" not in texts:
        raise Refused(f"{path} has no record to be made again from", "name a picture as unnoise wrote it", "pictures")
    return Given(path, data, texts, from_json(texts["unnoise"]))


def compared(picture: Given, made: Result, causes: tuple[str, ...], altered: bool) -> Verdict:
    """The verdict on a picture and what its record makes now."""
    from unnoise.media.container import probe
    from unnoise.media.image import decode, encode, pixels_sha256
    from unnoise.tasks._trail import parting

    kind, name = probe(picture.data, str(picture.path)).format.lower(), str(picture.path)
    held = decode(picture.data, name, made.pixels.shape[0])
    if made.record.pixels == picture.record.pixels:
        lossy = kind in ("jpeg", "webp")
        own = decode(encode(made.pixels, kind, picture.record), name, held.shape[0]) if lossy else made.pixels
        apart = _difference(held, own)
        found = [f"the file's pixels were changed: {apart}"] if apart else []
        return Verdict(not found and not altered, (*found, *causes))
    parted = parting(picture.record.trail, made.record.trail) if picture.record.trail else None
    found = [_where(parted) if parted else "the runs agree at every step" if picture.record.trail else _UNTOLD]
    found.append(
        _difference(held, made.pixels) or "yet the file's pixels are those made again, not those of its record"
    )
    if kind == "png" and pixels_sha256(held) != picture.record.pixels:
        found.append("the file's pixels are not those of its record either")
    if not causes:
        causes = ("weights, versions and device are the record's own, so the record may have been changed",)
    return Verdict(False, (*found, *causes), parted)


def _difference(one: "Tensor", other: "Tensor") -> str:
    """How far two pictures' pixels differ; empty where they do not."""
    if one.shape != other.shape:
        sizes = [f"{p.shape[-1]}x{p.shape[-2]}" for p in (one, other)]
        return f"the file is {sizes[0]} pixels, the picture made again {sizes[1]}"
    apart = (one.int() - other.int()).abs()
    pixels = int((apart.amax(0) > 0).sum())
    return f"{pixels:,} of {apart[0].numel():,} pixels differ, by at most {int(apart.max())} of 255" if pixels else ""


def _where(parted: "Parting") -> str:
    if parted.apart != parted.apart:
        return f"parts after step {parted.step - 1} of {parted.steps}, where one run ends"
    return f"parts at step {parted.step} of {parted.steps}, by about {parted.apart:.2g} a value"
