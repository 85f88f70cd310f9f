"""The picture itself, small."""

import pytest
import torch

from evaluate.sets import noise
from unnoise.core.error import Refused
from unnoise.evaluate.features.pixels import Pixels


def test_values_are_means_of_areas() -> None:
    x = noise(2, size=16)
    found = Pixels(size=8)(x).reshape(2, 3, 8, 8)
    assert torch.allclose(found, x.float().reshape(2, 3, 8, 2, 8, 2).mean((3, 5)) / 255)
    assert float(found.min()) >= 0 and float(found.max()) <= 1


def test_a_side_of_nothing_is_refused() -> None:
    with pytest.raises(Refused, match="at least 1 pixel"):
        Pixels(size=0)
