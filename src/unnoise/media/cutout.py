"""A picture with transparency as training sets keep it: laid on white, and how opaque it is beside that.

Both are WebP: the colours lossy, as photographs are kept; the opacity lossless. On any other background b the picture
is `colours + (1 - opacity) (b - white)`, with no division and so no halo.
"""

import hashlib
import io
from dataclasses import dataclass

from PIL import Image

from unnoise.media.container import opened


@dataclass(frozen=True)
class Cutout:
    """The two files, and the sha256 of the pixels before they were compressed."""

    colours: bytes
    opacity: bytes
    sha256: str


def cutout(data: bytes, name: str, size: int, share: float = 1.0) -> Cutout:
    """A picture's bytes brought to size x size.

    Args:
        data: what `media.image.decode` reads.
        name: what to call it in an error.
        size: the side in pixels.
        share: of the side that the picture's longer side gets, in the middle.

    Raises:
        Refused: the bytes are no picture or damaged.
    """
    with opened(data, name) as image:
        square = _fitted(image.convert("RGBA"), size, share)
    white = Image.new("RGBA", square.size, "white")
    colours, opacity = io.BytesIO(), io.BytesIO()
    Image.alpha_composite(white, square).convert("RGB").save(colours, "webp", quality=90, method=6)
    square.getchannel("A").save(
        opacity, "webp", lossless=True
    )  # the most effort saves 1.5 % in a hundred times the time
    return Cutout(colours.getvalue(), opacity.getvalue(), hashlib.sha256(_seen(square)).hexdigest())


def _fitted(image: Image.Image, size: int, share: float) -> Image.Image:
    longer = max(image.size)
    width, height = (max(1, round(side * size * share / longer)) for side in image.size)
    # Pillow weighs the colours of RGBA by their opacity when it resizes: what is transparent lends none of its colour.
    small = image.resize((width, height), Image.Resampling.LANCZOS)
    if (width, height) == (size, size):
        return small
    square = Image.new("RGBA", (size, size))
    square.paste(small, ((size - width) // 2, (size - height) // 2))
    return square


def _seen(image: Image.Image) -> bytes:
    """The pixels, colours of wholly transparent ones left out."""
    return image.convert("RGBa").tobytes()
