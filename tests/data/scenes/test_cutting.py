"""What was laid on white is taken off it again, and what is transparent cut away."""

import numpy as np
import pytest

from unnoise.core.error import Refused
from unnoise.data.scenes.cutting import TRANSPARENT, premultiplied, trimmed


def test_colours_come_off_white() -> None:
    alpha = np.array([[[255, 128, TRANSPARENT - 1]]], np.uint8)
    colour = np.array([[[200, 100, 40]], [[0, 60, 7]], [[90, 128, 1]]], np.uint8)  # premultiplied
    white = (colour + (255 - alpha.astype(np.int16))).clip(0, 255).astype(np.uint8)
    found = premultiplied(white, alpha)
    assert found.shape == (1, 3, 4)
    assert found[0, 0].tolist() == [200, 0, 90, 255] and found[0, 1].tolist() == [100, 60, 128, 128]
    assert found[0, 2].tolist() == [0, 0, 0, 0]


def test_the_smallest_part_is_kept() -> None:
    pixels = np.zeros((6, 8, 4), np.uint8)
    pixels[2:4, 3:7, 3] = 9
    part, left, top = trimmed(pixels, "dot")
    assert (part.shape, left, top) == ((2, 4, 4), 3, 2) and part[..., 3].min() == 9
    with pytest.raises(Refused, match="nothing of 'dot' is opaque"):
        trimmed(pixels * 0, "dot")
