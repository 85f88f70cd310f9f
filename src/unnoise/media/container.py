"""A picture's file as Pillow opens it, guarded: sizes capped before a pixel is read, every fault a Refused by name."""

import contextlib
import io
import struct
import threading
import warnings
import zlib
from collections.abc import Generator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from PIL import Image

from unnoise.core.error import Refused

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # each format more is a parser more that strangers' bytes reach
ANNEXED = "MPO"
"""Pillow's word for a JPEG that has others behind it, as phones write them: thumbnails, depth, light. It is a still."""
PIXELS = 8192 * 8192
BYTES = 256 * 2**20
FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's plugins raise on damaged files."""

_quiet_lock = threading.Lock()


@dataclass(frozen=True)
class Header:
    """What a picture's header says: its format ("PNG", "JPEG", ...), width and height in pixels as stored."""

    format: str
    width: int
    height: int


def probe(data: bytes, name: str) -> Header:
    """The header of these bytes, without decoding a pixel; `name` stands in the error.

    Raises:
        Refused: if the bytes are no picture that we read, or it is too large.
    """
    with opened(data, name) as image:
        return Header(_format(image), *image.size)


def frames(data: bytes, name: str) -> int:
    """How many pictures these bytes hold: one, or those of an animation; `name` stands in the error.

    Raises:
        Refused: if the bytes are no picture that we read, or it is damaged.
    """
    with opened(data, name) as image:
        return 1 if image.format == ANNEXED else int(getattr(image, "n_frames", 1))


def _format(image: Image.Image) -> str:
    return "JPEG" if image.format == ANNEXED else image.format or ""


@contextlib.contextmanager
def opened(data: bytes, name: str) -> Generator[Image.Image]:
    """Pillow's image of these bytes, its header checked and no pixel loaded; any fault inside the block is Refused.

    Raises:
        Refused: if the bytes are no picture that we read, it is damaged, or it has more than `PIXELS` pixels.
    """
    try:
        with quiet():
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        with image:
            width, height = image.size
            if width * height > PIXELS:
                raise Refused(f"{name} has {width}x{height} pixels", f"use a picture of at most {PIXELS} pixels")
            yield image
    except Refused:
        raise
    except Image.UnidentifiedImageError:
        raise Refused(f"{name} is not a picture", "use a PNG, JPEG, WebP, GIF or BMP file") from None
    except Image.DecompressionBombError:
        raise Refused(f"{name} is too large", f"use a picture of at most {PIXELS} pixels") from None
    except FAULTS as fault:
        raise Refused(f"{name} is a damaged picture ({fault})", "save it again as PNG, JPEG or WebP") from None


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Keeps Pillow's warnings about odd files from standard error.

    The filters of `warnings` belong to the process: two threads that change them at once could leave them changed, so
    one at a time does.
    """
    with _quiet_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_bytes(path: str | PathLike[str]) -> bytes:
    """A file's bytes, at most `BYTES` of them.

    Raises:
        Refused: if it cannot be read or is longer.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(BYTES + 1)
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
        raise Refused(f"cannot read {path}: {reason}", "name a picture that exists") from None
    if len(data) > BYTES:
        raise Refused(f"{path} is longer than {BYTES} bytes", "use a smaller file")
    return data
