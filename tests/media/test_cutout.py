"""A cut-out keeps its colours on white, its opacity apart, and no halo on any other background."""

import io

import pytest
import torch
from PIL import Image, ImageDraw

from unnoise.core.error import Refused
from unnoise.media.cutout import cutout
from unnoise.media.image import decode


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


@pytest.fixture
def disc() -> bytes:
    """A red disc on nothing; what is transparent is blue, as nobody should see."""
    image = Image.new("RGBA", (256, 256), (0, 0, 255, 0))
    ImageDraw.Draw(image).ellipse((40, 40, 215, 215), (200, 20, 20, 255))
    return png(image)


def test_colours_lie_on_white_and_opacity_beside(disc: bytes) -> None:
    cut = cutout(disc, "disc", 128)
    colours, opacity = decode(cut.colours, "colours"), decode(cut.opacity, "opacity", 1)[0]
    assert colours.shape == (3, 128, 128) and opacity.shape == (128, 128)
    assert (opacity[64, 64], opacity[2, 2]) == (255, 0)
    assert (colours[:, 64, 64].int() - torch.tensor([200, 20, 20])).abs().max() < 8
    assert colours[:, 2, 2].min() > 250


def test_no_halo_of_what_is_transparent(disc: bytes) -> None:
    """On the edge red goes over into white, and never through blue."""
    cut = cutout(disc, "disc", 128)
    red, green, blue = decode(cut.colours, "colours").int()
    assert (blue - green).max() < 40 and (blue - red).max() < 20


def test_on_another_background_it_is_the_drawing_itself(disc: bytes) -> None:
    cut = cutout(disc, "disc", 128)
    colours, opacity = decode(cut.colours, "colours").float(), decode(cut.opacity, "opacity", 1).float() / 255
    on_grey = colours + (1 - opacity) * (100.0 - 255.0)
    with Image.open(io.BytesIO(disc)) as image:
        small = image.resize((128, 128), Image.Resampling.LANCZOS)
    expected = Image.alpha_composite(Image.new("RGBA", small.size, (100, 100, 100, 255)), small).convert("RGB")
    assert (on_grey - decode(png(expected), "expected")).abs().mean() < 2


def test_a_share_leaves_a_margin_all_around() -> None:
    cut = cutout(png(Image.new("RGB", (50, 50), "red")), "red", 128, 120 / 128)
    opacity = decode(cut.opacity, "opacity", 1)[0]
    seen = opacity == 255
    assert seen[4:124, 4:124].all() and seen.sum() == 120 * 120


def test_what_is_not_square_keeps_its_shape() -> None:
    cut = cutout(png(Image.new("RGB", (40, 20), "red")), "red", 32)
    assert (decode(cut.opacity, "opacity", 1)[0] == 255).sum(0).tolist() == [16] * 32


def test_the_sum_is_of_what_is_seen() -> None:
    blue, red = (Image.new("RGBA", (8, 8), (*colour, 0)) for colour in ((0, 0, 255), (255, 0, 0)))
    assert cutout(png(blue), "a", 8).sha256 == cutout(png(red), "b", 8).sha256
    for image in (blue, red):
        image.putalpha(255)
    assert cutout(png(blue), "a", 8).sha256 != cutout(png(red), "b", 8).sha256


def test_what_is_no_picture_is_refused_by_name() -> None:
    with pytest.raises(Refused, match=r"^x\.png is not a picture"):
        cutout(b"text", "x.png", 8)
    with pytest.raises(Refused, match=r"^x\.png is a damaged picture"):
        cutout(png(Image.effect_noise((64, 64), 50))[:200], "x.png", 8)
