"""A picture on white and its alpha as the premultiplied pixels of one thing."""

import numpy as np
from numpy.typing import NDArray

from unnoise.core.error import Refused

Bytes = NDArray[np.uint8]

TRANSPARENT = 8  # alpha below it is dust of the compression


def premultiplied(white: Bytes, alpha: Bytes) -> Bytes:
    """What was laid on white, (H, W, 4): white shows through where it is not opaque, and that much is taken off."""
    alpha = np.where(alpha < TRANSPARENT, 0, alpha).astype(np.uint8)
    opacity = alpha.astype(np.int16)
    colour = np.clip(white.astype(np.int16) - (255 - opacity), 0, opacity).astype(np.uint8)
    return np.concatenate([colour, alpha]).transpose(1, 2, 0)


def trimmed(pixels: Bytes, name: str) -> tuple[Bytes, int, int]:
    """The smallest part of (H, W, 4) that holds what is not transparent, with its left and top.

    Raises:
        Refused: there is nothing.
    """
    seen = pixels[..., 3] > 0
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    if not len(rows):
        raise Refused(f"nothing of '{name}' is opaque", "leave it out", "data")
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return np.ascontiguousarray(pixels[top:bottom, left:right]), int(left), int(top)
