"""Sheets of pictures with their words."""

import torch

from train import tiny
from unnoise.train.sheets import captioned, preview


def test_every_picture_is_there_under_its_caption() -> None:
    colours = [torch.full((3, 8, 8), 20 * k, dtype=torch.uint8) for k in range(1, 6)]
    made = captioned(colours, ["a", "", "c", "d", "e"], columns=2)
    assert made.dtype == torch.uint8
    assert made.shape[1] > 3 * 128
    assert 2 * 128 < made.shape[2] < 3 * 128
    for k in range(1, 6):
        assert int((made == 20 * k).all(0).sum()) >= 128 * 128


def test_grey_pictures_and_large_ones_are_taken() -> None:
    made = captioned([torch.zeros(1, 200, 200, dtype=torch.uint8)], ["grey"])
    assert made.shape[0] == 3
    assert int((made == 0).all(0).sum()) >= 200 * 200


def test_a_preview_is_repeatable() -> None:
    model = tiny.model()
    assert torch.equal(preview(model, ("red square", "x")), preview(model, ("red square", "x")))
