"""Pixels as samples: only their spread changes."""

import pytest
import torch

from building import drawn
from unnoise.core.model import Codec
from unnoise.networks import CODECS
from unnoise.networks.pixels import Pixels, PixelsConfig


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_decoding_undoes_encoding(channels, spread):
    codec = Pixels(PixelsConfig(channels=channels, spread=spread))
    media = drawn(2, channels, 4, 6).clamp(-1, 1)
    sample = codec.encode(media)
    assert torch.equal(sample, media * spread)
    assert torch.equal(codec.decode(sample), media) and torch.equal(codec.preview(sample), media)


def test_it_is_a_codec_known_by_name_that_holds_no_weights():
    codec = Pixels(PixelsConfig(channels=1))
    assert isinstance(codec, Codec) and CODECS["pixels"] is Pixels
    assert (codec.scale, codec.channels) == (1, 1) and codec.state_dict() == {}
