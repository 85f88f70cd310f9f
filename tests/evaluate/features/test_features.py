"""Ways of seeing are found by name or by a file, and give one finite vector a picture."""

import pytest
import torch

from evaluate.sets import noise
from unnoise.core.error import Refused
from unnoise.evaluate.features import FEATURES, opened, seen


@pytest.mark.parametrize("name", [n for n in FEATURES if n in ("pixels", "wavelet")])
def test_each_sees_pictures_of_any_size(name) -> None:
    features = opened(name)
    sizes = [seen(features, noise(3, size=size)).shape for size in (16, 64, 96)]
    assert len(set(sizes)) == 1 and sizes[0][0] == 3
    assert features.name and features.digest.startswith(name)


@pytest.mark.parametrize("name", ["pixels", "wavelet"])
def test_a_batch_makes_no_difference_and_grey_is_colour(name) -> None:
    features = opened(name)
    x = noise(5, channels=1)
    whole = seen(features, x)
    assert torch.allclose(whole, seen(features, x, 2)) and torch.allclose(whole, seen(features, x.repeat(1, 3, 1, 1)))
    assert whole.dtype == torch.float32 and not torch.allclose(whole[0], whole[1])


def test_options_are_part_of_the_digest() -> None:
    one, other = opened("pixels"), opened("pixels:size=4")
    assert one.digest != other.digest and seen(other, noise(2)).shape == (2, 48)


def test_a_file_is_asked_of_every_kind(tmp_path) -> None:
    with pytest.raises(Refused, match="there is no file"):
        opened(str(tmp_path / "missing.pt"))
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"no network")
    with pytest.raises(Refused, match="holds no network"):
        opened(str(file))
    with pytest.raises(Refused, match="one of"):
        opened("pixls")


@pytest.mark.parametrize(
    "found", [torch.full((2, 3), torch.nan), torch.zeros(2, 3, 4), torch.zeros(1, 3)], ids=["nan", "maps", "one"]
)
def test_what_is_no_vector_a_picture_is_refused(found) -> None:
    class Bad:
        name = digest = "bad"

        def __call__(self, pictures):
            return found

    with pytest.raises(Refused, match="'bad'"):
        seen(Bad(), noise(2))
