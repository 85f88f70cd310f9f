"""The upscaler's objective: what its terms are worth, and what becomes of pictures on the way to it."""

from dataclasses import replace

import pytest
import torch

from building import drawn
from unnoise.data.degradations import Degradations
from unnoise.networks.upscaler import Upscaler, UpscalerConfig
from unnoise.train.objective import Example
from unnoise.train.objectives.upscaling import SMOOTH, Upscaling, cropped, tinted


def random(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def upscaling():
    torch.manual_seed(0)
    return Upscaling(upscaler=Upscaler(UpscalerConfig(width=4, blocks=1)), tint=0.0)


def example(size=16, seed=0):
    return Example(drawn(2, 3, size, size).clamp(-1, 1), None, random(seed))


def test_a_flat_error_counts_as_itself_and_stripes_count_more(upscaling):
    data = torch.zeros(1, 3, 16, 16)
    assert float(upscaling.errors(data + 0.1, data)) == pytest.approx(0.1, abs=SMOOTH)
    assert float(upscaling.errors(data, data)) == pytest.approx(0, abs=1e-6)
    stripes = 0.1 * torch.tensor([1.0, -1.0]).repeat(8).expand(1, 3, 16, 16)
    # the pixels' 0.1, and of the first level's three kinds of detail one, each coefficient 0.2, of two levels, by half
    assert float(upscaling.errors(stripes, data)) == pytest.approx(0.1 + 0.2 / 3 / 2 / 2, abs=1.5 * SMOOTH)
    assert float(replace(upscaling, details=0.0).errors(stripes, data)) == pytest.approx(0.1, abs=SMOOTH)


def test_each_picture_s_error_is_its_own(upscaling):
    made, data = drawn(3, 3, 12, 12), torch.zeros(3, 3, 12, 12)
    together = upscaling.errors(made, data)
    assert together.shape == (3,)
    torch.testing.assert_close(together[1:2], upscaling.errors(made[1:2], data[1:2]))


def test_one_loss_that_is_a_function_of_the_step_s_randomness(upscaling):
    def value(made, seed):
        (loss,) = made(example(seed=seed))
        assert loss.role == "model" and loss.metrics["error"].shape == (2,)
        return float(loss.value.detach())

    assert value(upscaling, 1) == value(upscaling, 1) != value(upscaling, 2)
    still = replace(upscaling, degradations=Degradations(clean=1.0))
    assert value(still, 1) == value(still, 2)
    assert value(replace(still, tint=1.0), 1) != value(still, 1) != value(replace(still, crop=8), 1)


@pytest.mark.usefixtures("quick_in_half")
def test_it_computes_in_another_type_where_asked(upscaling):
    half = replace(upscaling, autocast=torch.bfloat16)
    torch.nn.init.normal_(half.upscaler.leave.weight, std=0.1)
    (plain,), (coarse,) = upscaling(example()), half(example())
    assert coarse.value.dtype == torch.float32
    assert 0 < abs(float((plain.value - coarse.value).detach())) < 0.05 * float(plain.value.detach())


def test_the_same_objective_for_another_module(upscaling):
    other = Upscaler(UpscalerConfig(width=4, blocks=1))
    assert upscaling.of(other).upscaler is other and upscaling.of(other).details == upscaling.details


def test_crops_are_parts_of_the_pictures_at_one_place():
    data = torch.arange(20 * 24.0).view(1, 1, 20, 24).expand(2, 3, -1, -1)
    places = set()
    for seed in range(20):
        part = cropped(data, 8, 4, random(seed))
        assert part.shape == (2, 3, 8, 8)
        top, left = divmod(int(part[0, 0, 0, 0]), 24)
        assert torch.equal(part, data[..., top : top + 8, left : left + 8])
        places.add((top % 4, left % 4))
    assert len(places) > 8  # off the small picture's grid, too
    assert cropped(data, 0, 4, random()).shape == (2, 3, 20, 24)
    assert cropped(data[..., :19, :7], 0, 4, random()).shape == (2, 3, 16, 4)
    assert cropped(data, 64, 4, random()).shape == (2, 3, 20, 24)


def test_tints_make_white_any_colour_and_leave_the_rest_of_the_pictures_as_they_were():
    data = torch.ones(400, 3, 2, 2)
    data[..., 1, :] = -1
    seen = tinted(data, 0.5, random())
    whole = (seen == data).flatten(1).all(1)
    assert 160 < int(whole.sum()) < 240
    coloured = seen[~whole]
    assert float(coloured.min()) >= -1 and float(coloured.max()) <= 1
    negative = coloured[:, 0, 0, 0] < coloured[:, 0, 1, 0]
    assert 60 < int(negative.sum()) < 140
    assert (coloured[~negative, :, 1] == -1).all() and (coloured[negative, :, 0] == -1).all()
    ground = coloured[~negative, :, 0, 0]
    assert float(ground.std(0).min()) > 0.3 and not torch.allclose(ground[:, 0], ground[:, 1])
    assert torch.equal(tinted(data, 0.0, random()), data)
    assert tinted(data[:, :1], 1.0, random()).shape == (400, 1, 2, 2)
