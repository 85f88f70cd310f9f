"""Enlarging: the tiled result is the whole one, transparency stays, and every scale comes about."""

import pytest
import torch
import torch.nn.functional as F

import enlarging
from unnoise.core.error import Refused
from unnoise.media.image import from_bytes, to_bytes
from unnoise.networks.upscaler import Upscaler, UpscalerConfig
from unnoise.tasks._enlarge import BLEED, FILTER, bled, enlarge, whole


@pytest.fixture(scope="module")
def network():
    return enlarging.network()


def picture(height=30, width=37, channels=3):
    return enlarging.picture(height, width, channels)


@torch.no_grad()
def alone(network, pixels):
    """What the network makes of a whole picture."""
    return to_bytes(network(from_bytes(pixels)[None])[0])


def test_the_network_s_own_scale_is_its_own_result(network):
    assert torch.equal(whole(network, picture(), 4), alone(network, picture()))
    plain = F.interpolate(from_bytes(picture())[None], scale_factor=4, mode="bicubic")[0]
    assert int((whole(network, picture(), 4).int() - to_bytes(plain).int()).abs().max()) > 20


@pytest.mark.parametrize("scale", [2, 3, 4, 8, 12, 16])
@pytest.mark.parametrize("channels", [3, 4])
def test_tiles_have_no_seams(network, scale, channels):
    pixels = picture(16, 21, channels)
    pixels[3:, 8:12] = 0
    at_once = whole(network, pixels, scale)
    assert at_once.shape == (channels, 16 * scale, 21 * scale) and at_once.dtype == torch.uint8
    *_, last = enlarge(network, pixels, scale, side=9)
    assert int((last.pixels.int() - at_once.int()).abs().max()) <= 1  # sums of another order may round otherwise
    assert float((last.pixels != at_once).float().mean()) < 1e-3


def test_no_call_sees_more_than_a_tile_and_its_margin(network):
    """So memory beside the two pictures is flat."""
    seen = []
    hook = network.register_forward_pre_hook(lambda *call: seen.append(tuple(call[1][0].shape)))
    for channels in (1, 3, 4):
        list(enlarge(network, picture(70, 200, channels), 8, side=32))
    hook.remove()
    most = 32 + 2 * (network.reach + FILTER + BLEED)
    assert len(seen) > 200 and max(max(shape[2:]) for shape in seen) == most
    assert {shape[:2] for shape in seen} == {(1, 3)}


def test_too_small_a_margin_would_show(network, monkeypatch):
    monkeypatch.setattr("unnoise.tasks._enlarge.FILTER", -network.reach)
    *_, last = enlarge(network, picture(), 4, side=11)
    assert int((last.pixels.int() - alone(network, picture()).int()).abs().max()) > 3


def test_each_step_tells_how_far_it_is(network):
    found = [
        (step.done, step.count, tuple(step.pixels.shape[1:]), int((step.pixels == 0).all(0).sum()))
        for step in enlarge(network, picture(30, 30), 8, side=32)
    ]
    done, count, shapes, black = zip(*found, strict=True)
    assert done == tuple(range(1, 18)) and set(count) == {1 + 16}  # the picture, then its enlargement of 120 x 120
    assert shapes == ((120, 120), *[(240, 240)] * 16)
    assert list(black[1:]) == sorted(black[1:], reverse=True) and black[1] > 0.9 * 15 * 60**2 > 1000 > black[-1]


def test_smaller_scales_are_the_result_shrunk_by_an_antialiased_filter(network):
    with torch.no_grad():
        large = network(from_bytes(picture())[None])
    for scale in (2, 3):
        wanted = F.interpolate(large, (30 * scale, 37 * scale), mode="bicubic", antialias=True)[0]
        assert torch.equal(whole(network, picture(), scale), to_bytes(wanted))


def test_larger_scales_take_two_goes(network):
    assert torch.equal(whole(network, picture(), 8), whole(network, alone(network, picture()), 2))
    assert torch.equal(whole(network, picture(), 16), alone(network, alone(network, picture())))


@pytest.mark.parametrize("scale", [-4, 0, 1, 5, 6, 10, 32])
def test_scales_that_it_cannot_make_are_refused(network, scale):
    with pytest.raises(Refused, match="one of 2, 3, 4, 8, 12, 16"):
        list(enlarge(network, picture(), scale))


def test_transparency_is_enlarged_by_the_bicubic_filter(network):
    pixels = picture(channels=4)
    wanted = F.interpolate(from_bytes(pixels[3:])[None], scale_factor=4, mode="bicubic")[0]
    assert torch.equal(whole(network, pixels, 4)[3:], to_bytes(wanted))
    pixels[3] = 255
    opaque = whole(network, pixels, 4)
    assert torch.equal(opaque[:3], alone(network, pixels[:3])) and (opaque[3] == 255).all()


def test_what_is_hidden_takes_no_part(network):
    pixels = picture(channels=4)
    pixels[3] = 0
    pixels[3, 10:20, 10:20] = 255
    other = torch.where(pixels[3] == 0, 255 - pixels, pixels)
    other[3] = pixels[3]
    assert not torch.equal(pixels, other)
    assert torch.equal(whole(network, pixels, 4), whole(network, other, 4))
    plain = Upscaler(UpscalerConfig(width=4, blocks=1)).requires_grad_(False)
    flat = torch.where(pixels[3] == 0, 0, 200).byte().expand(4, -1, -1).clone()
    flat[3] = pixels[3]
    edge = slice(40, 80)
    laid = torch.where(pixels[3] == 0, 255, 200).byte().expand(3, -1, -1)
    off, halo = (
        (made[:3, edge, edge].float() - 200).abs().max() for made in (whole(plain, flat, 4), whole(plain, laid, 4))
    )
    assert off == 0 and halo > 20  # the edge takes over nothing of any other colour


def test_colours_bleed_a_few_pixels_and_no_farther():
    colour, alpha = torch.zeros(3, 3, 20), torch.zeros(1, 3, 20)
    colour[:, :, :2], alpha[:, :, :2] = 0.5, 1.0
    colour[:, :, 1], alpha[:, :, 1] = 0.5, 0.1
    found = bled(colour, alpha)
    torch.testing.assert_close(found[:, :, : 2 + BLEED], torch.full((3, 3, 2 + BLEED), 0.5))
    assert (found[:, :, 2 + BLEED :] == 1).all()
    full = torch.rand(3, 4, 4)
    assert torch.equal(bled(full, torch.ones(1, 4, 4)), full)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (300, 2)])
def test_pictures_of_any_shape(network, size):
    assert whole(network, picture(*size), 4).shape == (3, 4 * size[0], 4 * size[1])


def test_grey_pictures_stay_grey(network):
    grey = picture(channels=1)
    made = whole(network, grey, 4)
    assert made.shape == (1, 120, 148)
    with torch.no_grad():
        colour = network(from_bytes(grey.expand(3, -1, -1))[None])[0]
    assert torch.equal(made, to_bytes(colour.mean(0, keepdim=True)))


def test_a_grey_network_takes_each_colour_alone():
    torch.manual_seed(0)
    grey = Upscaler(UpscalerConfig(media=1, width=4, blocks=1)).requires_grad_(False).eval()
    torch.nn.init.normal_(grey.leave.weight, std=0.1)
    pixels = picture()
    made = whole(grey, pixels, 4)
    for k in range(3):
        assert int((made[k : k + 1].int() - whole(grey, pixels[k : k + 1], 4).int()).abs().max()) <= 1


def test_it_runs_in_the_network_s_own_type(network):
    half = Upscaler(network.config).to(torch.bfloat16)
    half.load_state_dict(network.state_dict())
    off = (whole(half.requires_grad_(False), picture(), 4).int() - alone(network, picture()).int()).abs().float()
    assert 0 < float(off.mean()) < 2
