"""Variations keep what a picture shows: where white ground ends, that hues stay, and that seeds decide all."""

import pytest
import torch

from building import drawn
from unnoise.data.augment import Augment, ground

STILL = {"shift": 0.0, "scale": 0.0, "light": 0.0, "ground": 0.0}


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def ring():
    """A red ring on white with white inside, (1, 3, 16, 16)."""
    media = torch.ones(1, 3, 16, 16)
    media[:, 1:, 4:12, 4:12] = -1
    media[:, :, 6:10, 6:10] = 1
    return media


def test_white_within_a_shape_is_no_ground():
    wanted = torch.ones(1, 1, 16, 16, dtype=torch.bool)
    wanted[:, :, 4:12, 4:12] = False
    assert torch.equal(ground(ring()), wanted)


def test_a_ground_is_seen_from_every_edge():
    for way in range(4):
        media = -torch.ones(1, 3, 8, 8)
        media[:, :, 3, :5] = 1
        turned = media.rot90(way, (2, 3))
        wanted = (turned > 0).any(1, keepdim=True)
        assert torch.equal(ground(turned), wanted)


def test_nothing_varied_is_the_same():
    media = drawn(3, 3, 16, 16).clamp(-1, 1)
    assert torch.equal(Augment(**STILL)(media, random()), media)


def test_a_new_ground_leaves_the_shape_alone():
    media, behind = ring().repeat(20, 1, 1, 1), ground(ring())[0, 0]
    made = Augment(**{**STILL, "ground": 1.0})(media, random())
    assert torch.equal(made[..., ~behind], media[..., ~behind])
    colours = made[..., behind]
    assert torch.equal(colours, colours[..., :1].expand_as(colours)) and len(colours[..., 0].unique(dim=0)) == 20
    some = Augment(**{**STILL, "ground": 0.3})(ring().repeat(400, 1, 1, 1), random())
    assert 0.2 < float((some[:, :, 0, 0] < 0.99).any(1).float().mean()) < 0.4


def test_light_is_a_share_of_each_colour():
    media = torch.full((50, 3, 4, 4), -0.2)
    made = Augment(**{**STILL, "light": 0.1})(media, random())
    ratio = (made + 1) / (media + 1)
    assert 0.9 <= float(ratio.min()) < 0.92 and 1.08 < float(ratio.max()) <= 1.1


@pytest.mark.parametrize(("field", "value", "least"), [("shift", 0.25, 3), ("scale", 1.0, 0)])
def test_it_moves_and_resizes_within_its_bounds(field, value, least):
    media = ring().repeat(60, 1, 1, 1)
    made = Augment(**{**STILL, field: value})(media, random())
    dark = (made[:, 1] < 0).float()
    across = (dark.sum(1) > 0).float().sum(1)
    centre = (dark.sum(1) * torch.arange(16)).sum(1) / dark.sum((1, 2)) - 7.5
    if field == "shift":
        assert least < float(centre.abs().max()) <= 4.5 and bool((across <= 8).all())
    else:
        assert float(across.min()) < 6 and float(across.max()) > 12 and float(centre.abs().max()) < 0.6


def test_all_of_it_is_the_generator_s():
    media = drawn(4, 3, 16, 16).clamp(-1, 1)
    first, again, other = (Augment()(media, random(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert float(first.abs().max()) <= 1
