"""Pictures that repeat training are known for it, mirrored or noisy, and others are not."""

import pytest
import torch

from evaluate.sets import noise
from unnoise.evaluate.memorisation import ALIKE, RARE, copies, expected, look, near, typical

TRAINING = noise(40, 0)


def blurred(pictures):
    """Smooth, as real pictures are, so that a pixel's shift is small."""
    return torch.nn.functional.avg_pool2d(pictures.float(), 5, 1, 2).byte()


def test_distances_are_root_mean_squares_of_pixel_values() -> None:
    flat = torch.full((1, 3, 32, 32), 100, dtype=torch.uint8)
    assert float((look(flat) - look(flat + 7)).norm()) == pytest.approx(7, rel=1e-5)
    assert look(noise(2, size=48)).shape == (2, 768) and look(noise(2, channels=1)).shape == (2, 256)


def test_a_repeated_picture_is_found_mirrored_too() -> None:
    asked = torch.stack([TRAINING[7], TRAINING[3].flip(-1), noise(1, 9)[0]])
    found = near(asked, TRAINING)
    assert found.index[:2].tolist() == [7, 3] and found.mirrored[:2].tolist() == [False, True]
    assert found.distance[:2].tolist() == pytest.approx([0, 0], abs=1e-3) and float(found.distance[2]) > 50


def test_two_sizes_are_compared() -> None:
    large = TRAINING.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert near(large[:5], TRAINING).index.tolist() == list(range(5))


def test_a_picture_of_training_can_leave_itself_out() -> None:
    twice = torch.cat([TRAINING, TRAINING[:1]])
    found = near(twice[:2], twice, torch.tensor([0, 1]))
    assert int(found.index[0]) == 40 and int(found.index[1]) != 1 and float(found.distance[1]) > 50


def test_copies_are_counted_beside_the_unseen() -> None:
    unseen = near(noise(200, 5), TRAINING).distance
    alike = near(noise(200, 6), TRAINING).distance
    own = near((TRAINING.int() + 3).clamp(0, 255).byte(), TRAINING).distance
    assert copies(own, unseen, ALIKE).value == 1
    found = copies(alike, unseen, ALIKE, 100)
    assert found.value == pytest.approx(RARE, abs=0.05) and found.low <= found.value <= found.high
    half = torch.cat([own, alike[:40]])
    assert copies(half, unseen, ALIKE).value == pytest.approx(0.525, abs=0.03)


def test_a_copy_is_one_however_near_the_unseen_are() -> None:
    unseen = torch.tensor([0.1, 20, 30])
    assert copies(torch.tensor([0.0, 2.9, 3.1]), unseen, ALIKE).value == pytest.approx(2 / 3)
    assert copies(torch.tensor([0.1, 0.2]), unseen, 0.0).value == 0.5


@pytest.mark.parametrize("count", [1, 2, 5, 10, 19, 40, 200])
def test_few_unseen_pictures_are_told_to_expect_more(count: int) -> None:
    random = torch.Generator().manual_seed(count)
    shares = [
        copies(torch.rand(50, generator=random), torch.rand(count, generator=random), 0.0, 2).value for _ in range(400)
    ]
    assert sum(shares) / 400 == pytest.approx(expected(count), abs=0.04)
    assert expected(10**6) == pytest.approx(RARE, abs=1e-4)


def test_the_median_has_an_interval() -> None:
    found = typical(torch.arange(1.0, 102.0), 100)
    assert found.value == 51 and found.low < 51 < found.high and found.count == 101
