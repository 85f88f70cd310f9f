"""Degradations: filters are those of other programs, compression is JPEG's, and a step's pictures are its own."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from unnoise.data.degradations import FILTERS, Degradations, compressed, eight_bits, matrix, shrunk
from unnoise.media.image import from_bytes, to_bytes, to_image

PIL_FILTERS = {
    "area": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def media(count=3, height=32, width=48):
    """Smooth pictures with edges: JPEG has something to keep and something to lose."""
    base = F.interpolate(torch.rand(count, 3, 5, 7, generator=random()), (height, width), mode="bicubic")
    base[..., height // 3 :, : width // 2] *= 0.5
    return eight_bits(base.clamp(0, 1) * 2 - 1)


def shrink(pictures, name, blur=0.0, scale=4):
    count = len(pictures)
    return shrunk(pictures, scale, torch.full((count,), list(FILTERS).index(name)), torch.full((count,), blur))


@pytest.mark.parametrize("name", ["bicubic", "bilinear"])
@pytest.mark.parametrize("scale", [2, 4])
def test_filters_are_torch_s_own(name, scale):
    wanted = F.interpolate(media(), scale_factor=1 / scale, mode=name, antialias=True)
    torch.testing.assert_close(shrink(media(), name, scale=scale), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", list(FILTERS))
def test_filters_are_pillow_s(name):
    picture = to_image(to_bytes(media(1)[0])).resize((12, 8), PIL_FILTERS[name])
    wanted = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)
    found = to_bytes(shrink(media(1), name)[0])
    off = (found.int() - wanted.int()).abs()  # Pillow rounds and clips between its two passes
    assert int(off.max()) <= 3 and float(off.float().mean()) < 0.3


@pytest.mark.parametrize("name", list(FILTERS))
def test_what_is_flat_stays_so(name):
    torch.testing.assert_close(matrix(name, 24, 4).sum(1), torch.ones(6))
    flat = torch.full((1, 3, 16, 24), 0.3)
    torch.testing.assert_close(shrink(flat, name, 0.7), torch.full((1, 3, 4, 6), 0.3))


def test_each_picture_has_its_own_filter_and_blur():
    pictures = media(4)
    kinds, blur = torch.tensor([0, 1, 2, 3]), torch.tensor([0.0, 0.5, 0.0, 0.7])
    together = shrunk(pictures, 4, kinds, blur)
    for k, name in enumerate(FILTERS):
        alone = shrink(pictures[k : k + 1], name, float(blur[k]))
        torch.testing.assert_close(together[k : k + 1], alone)
    assert len({tuple(shrink(pictures[:1], name).flatten().tolist()) for name in FILTERS}) == 4


def test_blur_takes_detail_away():
    edges = torch.tensor([-1.0, 1.0]).repeat_interleave(8).repeat(2).expand(1, 3, 32, 32)
    spread = [float(shrink(edges, "area", blur).std()) for blur in (0.0, 0.4, 0.8)]
    assert spread[0] > spread[1] > spread[2]
    assert torch.equal(shrink(edges, "area", 0.0), edges[..., ::4, ::4])


@pytest.mark.parametrize("quality", [10, 50, 75, 95])
def test_compression_is_jpeg_s(quality):
    picture = to_bytes(media(1)[0])
    file = io.BytesIO()
    to_image(picture).save(file, "jpeg", quality=quality, subsampling=0)
    with Image.open(file) as read:
        wanted = torch.from_numpy(np.asarray(read).copy()).permute(2, 0, 1)
    found = to_bytes(compressed(from_bytes(picture)[None], torch.tensor([float(quality)]))[0])
    off = (found.int() - wanted.int()).abs().float()
    lost = (picture.int() - wanted.int()).abs().float()
    assert float(off.mean()) < 0.25 * float(lost.mean())  # Pillow's own rounding between its stages is what is left


def test_compression_of_odd_sides_and_of_each_picture_s_quality():
    pictures = media(2, 13, 9)
    both = compressed(pictures, torch.tensor([20.0, 98.0]))
    assert both.shape == pictures.shape
    torch.testing.assert_close(both[1:], compressed(pictures[1:], torch.tensor([98.0])))
    error = (both - pictures).square().mean((1, 2, 3))
    assert error[0] > 4 * error[1] > 0


def test_a_step_s_small_pictures_are_a_function_of_its_generator():
    make = Degradations()
    first, again, other = (make(media(8), 4, random(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.shape == (8, 3, 8, 12)
    torch.testing.assert_close(eight_bits(first), first)
    assert float(first.min()) >= -1 and float(first.max()) <= 1


def test_clean_pictures_are_shrunk_and_nothing_else():
    pictures = media(64, 16, 16)
    plain = eight_bits(shrink(pictures, "bicubic"))
    assert torch.equal(Degradations(clean=1.0)(pictures, 4, random()), plain)
    half = (Degradations(clean=0.5, each=1.0)(pictures, 4, random()) == plain).all(3).all(2).all(1)
    assert 20 <= int(half.sum()) <= 44
    assert not (Degradations(clean=0.0, each=1.0)(pictures, 4, random()) == plain).all(3).all(2).all(1).any()


@pytest.mark.parametrize("fault", ["blur", "noise", "quality"])
def test_every_fault_comes_upon_pictures(fault):
    none = {"blur": 0.0, "noise": 0.0, "quality": 98.0}
    with_it, without = (
        Degradations(clean=0.0, each=1.0, **(none | change))(media(8), 4, random())
        for change in ({fault: {"blur": 0.7, "noise": 0.1, "quality": 20.0}[fault]}, {})
    )
    assert not torch.equal(with_it, without)


def test_grey_pictures_are_shrunk_without_compression():
    grey = media(4)[:, :1]
    assert Degradations(clean=0.0, each=1.0)(grey, 4, random()).shape == (4, 1, 8, 12)
