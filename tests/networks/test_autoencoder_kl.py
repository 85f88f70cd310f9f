"""The KL autoencoder's own promises: tiles without seams, a codec that answers the same, previews."""

import pytest
import torch

from unnoise.core.error import Refused
from unnoise.networks import CODECS
from unnoise.networks._looks import LOOKS
from unnoise.networks.autoencoder_kl import AutoencoderKL, AutoencoderKLConfig
from unnoise.nn.sampled import Sampled, plain

SMALL = {"widths": (8, 16), "blocks": 1, "groups": 4}


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    return AutoencoderKL(AutoencoderKLConfig(**SMALL, tile=48)).eval()


def smooth(height, width, channels=4):
    """Latents with the long waves of a picture and a little of the short ones."""
    draw = torch.Generator().manual_seed(3)
    coarse = torch.randn(1, channels, 6, 9, generator=draw)
    wide = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    return wide + 0.3 * torch.randn(1, channels, height, width, generator=draw)


def test_it_is_a_codec_by_name():
    assert CODECS["autoencoder_kl"] is AutoencoderKL
    assert (AutoencoderKL(AutoencoderKLConfig(**SMALL)).scale, AutoencoderKLConfig().channels) == (2, 4)


def whole(codec, sample, normed=plain):
    latent = codec.post_quant_conv(sample / codec.config.scaling + codec.config.shift)
    return codec.decoder.outer(codec.decoder.inner(latent), normed)


@pytest.mark.parametrize("size", [(60, 130), (100, 49), (5, 200)])
@torch.no_grad()
def test_tiles_are_nearly_the_whole(codec, size):
    sample = smooth(*size)
    tiled, expected = codec.decode(sample), whole(codec, sample)
    assert tiled.shape == expected.shape
    # The norms are measured on a part of the picture, so levels are off by a little, everywhere alike. Random weights
    # and a picture of few waves are hard on that: norms of the tiles alone would be off by 0.26 and 2.3 here.
    assert (tiled - expected).abs().mean() < 0.18 * expected.std()
    assert (tiled - expected).abs().max() < 1.2 * expected.std()


@torch.no_grad()
def test_there_are_no_seams(codec, monkeypatch):
    """All tiles are cut from one picture: that which the same norms make of the whole."""
    kept = []
    held = Sampled.held
    monkeypatch.setattr(Sampled, "held", lambda self, *args: (kept.append(self), held(self, *args))[1])
    sample = smooth(100, 60)
    tiled = codec.decode(sample)
    torch.testing.assert_close(tiled, whole(codec, sample, kept[0].held), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_large_pictures_are_encoded_in_tiles_too(codec, monkeypatch):
    kept = []
    held = Sampled.held
    monkeypatch.setattr(Sampled, "held", lambda self, *args: (kept.append(self), held(self, *args))[1])
    picture = torch.nn.functional.interpolate(smooth(25, 15, 3), (200, 120), mode="bicubic").clamp(-1, 1)
    tiled = codec.encode(picture)
    assert tiled.shape == (1, 4, 100, 60) and kept
    moments = codec.quant_conv(codec.encoder.inner(codec.encoder.outer(picture, kept[0].held)))
    torch.testing.assert_close(tiled, moments[:, :4] * codec.config.scaling, atol=1e-5, rtol=1e-5)
    plainly = codec.quant_conv(codec.encoder.inner(codec.encoder.outer(picture)))[:, :4] * codec.config.scaling
    assert (tiled - plainly).abs().mean() < 0.2 * plainly.std()


@torch.no_grad()
def test_a_batch_is_its_pictures(codec):
    both = torch.cat([smooth(60, 50), smooth(60, 50).flip(3)])
    alone = torch.cat([codec.decode(one) for one in both.split(1)])
    torch.testing.assert_close(codec.decode(both), alone)


def test_no_tile_is_larger_than_said(codec):
    seen = []
    outer = codec.decoder.outer
    codec.decoder.outer = lambda x, normed: (seen.append(x.shape[2:]), outer(x, normed))[1]
    try:
        with torch.no_grad():
            codec.decode(smooth(60, 130))
    finally:
        del codec.decoder.outer
    assert len(seen) > 4 and all(max(shape) <= codec.config.tile for shape in seen)


@torch.no_grad()
def test_what_it_encodes_is_the_mean(codec):
    picture = torch.rand(1, 3, 16, 8) * 2 - 1
    mean, deviation = codec.moments(picture)
    assert torch.equal(codec.encode(picture), mean) and torch.equal(codec.encode(picture), codec.encode(picture))
    assert mean.shape == deviation.shape == (1, 4, 8, 4) and (deviation > 0).all()


@pytest.mark.parametrize("look", ["", *LOOKS])
@torch.no_grad()
def test_a_preview_is_a_small_picture(look):
    channels = len(LOOKS[look][0]) if look else 4
    codec = AutoencoderKL(AutoencoderKLConfig(**SMALL, channels=channels, look=look))
    shown = codec.preview(torch.randn(2, channels, 5, 7))
    assert shown.shape == (2, 3, 5, 7) and shown.abs().max() <= 1
    grey = (shown == shown[:, :1]).all()
    assert bool(grey) is (not look)


@pytest.mark.parametrize("wrong", [{"mean": (0.0,)}, {"std": (1.0,) * 4}, {"scaling": 0.0}, {"groups": 3}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(Refused):
        AutoencoderKL(AutoencoderKLConfig(**(SMALL | wrong)))
