"""The autoencoder: sizes, places that know only their neighbours, latents of unit variance, noise that stays noise."""

import pytest
import torch

from building import drawn
from unnoise.core.error import Refused
from unnoise.core.model import Codec
from unnoise.networks import CODECS
from unnoise.networks.autoencoder import Autoencoder, AutoencoderConfig

SMALL = {"channels": 3, "widths": (8, 12), "blocks": 1, "smooth": 4}


def made(**changes):
    """Untrained, but no branch of it is nothing."""
    torch.manual_seed(0)
    codec = Autoencoder(AutoencoderConfig(**{**SMALL, **changes}))
    for parameter in codec.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return codec.eval()


@torch.no_grad()
@pytest.mark.parametrize(("changes", "scale"), [({}, 8), ({"widths": (8,)}, 4), ({"patch": 2, "widths": (8, 8, 8)}, 8)])
def test_sizes(changes, scale):
    codec = made(**changes)
    assert isinstance(codec, Codec) and CODECS["autoencoder"] is Autoencoder
    assert (codec.scale, codec.channels) == (scale, 3)
    media = drawn(2, 3, 2 * scale, 3 * scale)
    sample = codec.encode(media)
    assert sample.shape == (2, 3, 2, 3) and sample.dtype == torch.float32
    assert codec.decode(sample).shape == media.shape
    assert codec.preview(sample).shape == (2, 3, 2, 3)
    torch.testing.assert_close(codec(media, torch.zeros_like(sample)), codec.decode(sample))


@torch.no_grad()
def test_a_place_knows_its_neighbourhood_alone():
    """So a tile with enough around it is that part of the whole, and the size of a picture changes nothing."""
    codec, media = made(), drawn(1, 3, 128, 128)
    whole, part = codec.encode(media), codec.encode(media[..., :64, :64])
    torch.testing.assert_close(part[..., :2, :2], whole[..., :2, :2])
    changed = media.clone()
    changed[..., 100:, 100:] += 1
    torch.testing.assert_close(codec.decode(codec.encode(changed))[..., :8, :8], codec.decode(whole)[..., :8, :8])


def test_in_training_latents_have_unit_variance_whatever_the_encoder_s_scale():
    codec = made().train()
    with torch.no_grad():
        for parameter in codec.encoder.leave.parameters():
            parameter.mul_(100)
    sample = codec.encode(drawn(4, 3, 32, 32))
    assert sample.mean((0, 2, 3)).abs().max() < 1e-4
    torch.testing.assert_close(sample.var((0, 2, 3), unbiased=False), torch.ones(3), rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_the_running_statistics_come_to_be_those_of_the_data():
    codec, media = made().train(), drawn(4, 3, 32, 32)
    for _ in range(800):
        codec.encode(media)
    codec.eval()
    sample = codec.encode(media)
    torch.testing.assert_close(sample.std((0, 2, 3)), torch.ones(3), rtol=0.05, atol=0.05)


@torch.no_grad()
def test_the_look_is_the_linear_map_that_comes_nearest():
    codec = made()
    media = torch.nn.functional.interpolate(drawn(6, 3, 8, 8), scale_factor=8.0, mode="bicubic").clamp(-1, 1)
    shrunk = torch.nn.functional.avg_pool2d(media, 8)
    assert not codec.preview(codec.encode(media)).any()  # not fitted yet

    def error():
        return float((codec.preview(codec.encode(media)) - shrunk).square().mean())

    codec.fit(media)
    least = error()
    assert least < 0.7 * float(shrunk.square().mean())
    look = codec.look.clone()
    for place in ((0, 0), (1, 4), (2, -1)):
        codec.look[place] += 0.1
        assert error() > least
        codec.look.copy_(look)
    codec.fit(media.flip(0))
    torch.testing.assert_close(codec.look, look, rtol=1e-4, atol=1e-5)


def test_sizes_that_cannot_be_are_refused():
    for bad in ({"widths": ()}, {"channels": 0}, {"patch": 0}, {"widths": (8, -1)}):
        with pytest.raises(Refused, match="positive"):
            Autoencoder(AutoencoderConfig(**{**SMALL, **bad}))
