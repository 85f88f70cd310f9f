"""The upscaler: sizes, that it begins as a bicubic enlargement, and that it sees no farther than it says."""

import pytest
import torch
import torch.nn.functional as F

from building import drawn
from unnoise.core.error import Refused
from unnoise.core.model import Upscaler as Role
from unnoise.networks import UPSCALERS
from unnoise.networks.upscaler import BICUBIC, Upscaler, UpscalerConfig, enlarged


def made(**changes):
    """Untrained, but no branch of it is nothing."""
    torch.manual_seed(0)
    network = Upscaler(UpscalerConfig(**{"width": 8, "blocks": 2, **changes}))
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2)
    return network.requires_grad_(False).eval()


@pytest.mark.parametrize(("scale", "media"), [(4, 3), (2, 1), (3, 3)])
def test_sizes(scale, media):
    network = made(scale=scale, media=media)
    assert isinstance(network, Role) and UPSCALERS["upscaler"] is Upscaler
    assert (network.scale, network.channels) == (scale, media)
    for height, width in ((5, 9), (1, 1)):
        assert network(drawn(2, media, height, width)).shape == (2, media, scale * height, scale * width)


def test_untrained_it_is_the_bicubic_enlargement():
    media = drawn(2, 3, 6, 7)
    with torch.no_grad():
        fresh = Upscaler(UpscalerConfig(width=8, blocks=2))(media)
    torch.testing.assert_close(fresh, F.interpolate(media, scale_factor=4, mode="bicubic"))
    assert not torch.allclose(made()(media), fresh, atol=0.1)


@pytest.mark.parametrize("blocks", [1, 3])
def test_it_sees_as_far_as_it_says_and_no_farther(blocks):
    network = made(blocks=blocks)
    reach, side = network.reach, 2 * network.reach + 5
    media = drawn(1, 3, 1, side)
    changed = media.clone()
    changed[..., 0] = -changed[..., 0]
    moved = (network(media) - network(changed)).abs().amax((0, 1, 2)).view(side, 4).amax(1)
    assert reach >= BICUBIC
    assert moved[: reach + 1].min() > 0
    assert moved[reach + 1 :].max() == 0


def test_every_block_has_a_part_in_it():
    network, media = made(), drawn(1, 3, 6, 6)
    whole = network(media)
    for name, parameter in network.named_parameters():
        before = parameter.clone()
        parameter.zero_()
        assert not torch.allclose(network(media), whole, atol=1e-4), name
        parameter.copy_(before)


def test_it_does_not_care_how_memory_is_laid_out():
    network, media = made(), drawn(2, 3, 6, 6)
    torch.testing.assert_close(network(media.contiguous(memory_format=torch.channels_last)), network(media))


@pytest.mark.parametrize("sizes", [{"scale": 1}, {"width": 0}, {"blocks": 0}, {"media": 0}])
def test_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(Refused, match="positive"):
        Upscaler(UpscalerConfig(**sizes))


def test_the_bicubic_enlargement_keeps_what_is_flat():
    flat = torch.full((1, 3, 4, 5), 0.25)
    torch.testing.assert_close(enlarged(flat, 3), torch.full((1, 3, 12, 15), 0.25))
