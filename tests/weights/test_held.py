"""What a library holds by content: the same content under the same name, and nothing but what was registered."""

import pytest
import torch
from PIL import Image

import enlarging
from unnoise.core.error import Refused
from unnoise.media.image import pixels_sha256, save
from unnoise.weights.held import Held


def test_a_picture_is_kept_by_its_pixels(tmp_path):
    held, pixels = Held(), enlarging.picture()
    save(tmp_path / "a.png", pixels)
    save(tmp_path / "b.webp", pixels, quality=100)
    digests = {held.register(thing) for thing in (pixels, tmp_path / "a.png", str(tmp_path / "b.webp"))}
    assert digests == {pixels_sha256(pixels)}
    assert torch.equal(held.picture(digests.pop()), pixels)


def test_transparency_is_kept_where_there_is_any(tmp_path):
    held, pixels = Held(), enlarging.picture(channels=4)
    save(tmp_path / "a.png", pixels)
    assert torch.equal(held.picture(held.register(tmp_path / "a.png")), pixels)
    pixels[3] = 255
    save(tmp_path / "b.png", pixels)
    assert held.register(tmp_path / "b.png") == held.register(pixels[:3])


def test_what_is_not_there_is_refused():
    held = Held()
    with pytest.raises(Refused, match="no picture"):
        held.picture("0" * 64)
    with pytest.raises(Refused, match="no state"):
        held.state("0" * 64)


def test_blank_pictures_of_two_shapes_are_not_mistaken_for_each_other():
    held = Held()
    held.register(torch.zeros(3, 2, 8, dtype=torch.uint8))
    held.register(torch.zeros(3, 2, 8, dtype=torch.uint8))
    with pytest.raises(Refused, match="different shapes"):
        held.register(torch.zeros(3, 4, 4, dtype=torch.uint8))


def test_a_file_that_is_no_single_picture_is_refused(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "b.png").write_text("no picture")
    for name, said in (("a.gif", "moves: it holds 2 pictures"), ("b.png", "not a picture"), ("c.png", "cannot read")):
        with pytest.raises(Refused, match=said):
            Held().register(tmp_path / name)
