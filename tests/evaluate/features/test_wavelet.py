"""Detail of each size shows in its own place, and where things stand does not."""

import pytest
import torch

from evaluate.sets import noise
from unnoise.core.error import Refused
from unnoise.evaluate.features.wavelet import Wavelet

SEES = Wavelet()


def stripes(width, axis):
    line = (torch.arange(64) // width % 2 * 200).byte()
    flat = line[None, :] if axis == "x" else line[:, None]
    return flat.expand(64, 64)[None, None].repeat(1, 3, 1, 1)


def bands(picture):
    """Mean sizes of the light channel's bands: (level, direction)."""
    return SEES(picture)[0, 6:].reshape(4, 3, 2, 3)[:, :, 0, 0]


@pytest.mark.parametrize(("width", "level"), [(1, 0), (2, 1), (4, 2), (8, 3)])
def test_stripes_show_at_their_size_and_direction(width, level) -> None:
    across, down = bands(stripes(width, "x")), bands(stripes(width, "y"))
    assert int(across.flatten().argmax()) == 3 * level and int(down.flatten().argmax()) == 3 * level + 1
    assert int((across > 0.01).sum()) == 1


def test_where_things_stand_does_not_count() -> None:
    x = noise(1, size=64)
    for same in (x.flip(-1), x.flip(-2), x.roll(16, -1)):
        assert torch.allclose(SEES(same), SEES(x), atol=1e-5)
    assert not torch.allclose(SEES(x), SEES(noise(1, 1, 64)), atol=1e-3)


def test_a_flat_picture_has_no_detail() -> None:
    found = SEES(torch.full((1, 3, 64, 64), 128, dtype=torch.uint8))[0]
    assert found[0] == pytest.approx(128 / 255) and float(found[1:].abs().max()) < 1e-5


def test_blur_and_noise_show() -> None:
    x = noise(1, size=64).float()
    smooth = torch.nn.functional.avg_pool2d(x, 3, 1, 1).byte()
    assert float(bands(smooth)[0].mean()) < 0.7 * float(bands(x.byte())[0].mean())


@pytest.mark.parametrize("bad", [{"size": 60}, {"levels": 0}, {"size": 0}])
def test_a_size_that_cannot_be_halved_is_refused(bad) -> None:
    with pytest.raises(Refused, match="multiple of"):
        Wavelet(**bad)
