"""The eye: directions of length one, of pictures of any size, in which every part of it has a part."""

import math

import pytest
import torch
import torch.nn.functional as F

from building import drawn, stirred
from unnoise.core.error import Refused
from unnoise.networks import EYES
from unnoise.networks.eye import Eye, EyeConfig, Residual


def made(**changes):
    torch.manual_seed(0)
    eye = Eye(EyeConfig(**{"size": 16, "patch": 2, "widths": (8, 16), "out": 12, **changes}))
    return stirred(eye, 0.2).requires_grad_(False).eval()


@pytest.mark.parametrize("media", [1, 3])
@pytest.mark.parametrize("side", [16, 9, 40])
def test_directions_have_length_one_whatever_the_picture_s_size(media, side):
    found = made(media=media)(drawn(3, media, side, side).clamp(-1, 1))
    assert found.shape == (3, 12) and found.dtype == torch.float32
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    assert (found[0] - found[1]).norm() > 0.01


def test_it_is_found_by_its_file_s_name():
    assert EYES["eye"] is Eye and list(EYES) == ["eye"]


def test_a_picture_s_direction_does_not_depend_on_its_neighbours():
    eye, media = made(), drawn(4, 3, 16, 16).clamp(-1, 1)
    torch.testing.assert_close(eye(media)[2:3], eye(media[2:3]))


def test_what_is_seen_anywhere_is_the_mean_of_what_is_seen_where():
    eye, media = made(), drawn(2, 3, 16, 16).clamp(-1, 1)
    cells = eye.cells(media)
    assert cells.shape == (2, 16, 4, 4) and EyeConfig(patch=2, widths=(8, 16)).scale == 4
    torch.testing.assert_close(eye.look(media), cells.mean((2, 3)))
    torch.testing.assert_close(eye(media), F.normalize(eye.leave(eye.look(media)), dim=1))


def test_another_size_is_brought_to_its_own():
    eye, media = made(), drawn(1, 3, 32, 32).clamp(-1, 1)
    small = F.interpolate(media, (16, 16), mode="bicubic", antialias=True).clamp(-1, 1)
    torch.testing.assert_close(eye(media), eye(small))


def test_every_parameter_moves_what_is_seen():
    eye, media = made(), drawn(2, 3, 16, 16).clamp(-1, 1)
    whole = eye(media)
    for name, parameter in eye.named_parameters():
        if name != "log_scale":
            before = parameter.clone()
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
            assert not torch.allclose(eye(media), whole, atol=1e-4), name
            parameter.copy_(before)


def test_blocks_add_to_what_goes_straight_on():
    """Untrained, a block is nothing beside the way past it."""
    torch.manual_seed(0)
    block, x = Residual(8), drawn(1, 8, 4, 4)
    with torch.no_grad():
        assert torch.equal(block(x), x) and not torch.allclose(stirred(block)(x), x)


def test_angles_count_as_in_clip_to_begin_with():
    assert float(Eye(EyeConfig()).log_scale.detach().exp()) == pytest.approx(1 / 0.07)
    assert math.isclose(EyeConfig().scale, 16)


@pytest.mark.parametrize("sizes", [{"widths": ()}, {"size": 18}, {"blocks": 0}, {"out": 0}, {"media": 0}])
def test_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(Refused, match="positive"):
        Eye(EyeConfig(**{"size": 16, "patch": 2, "widths": (8, 16), **sizes}))
