"""A person's own network sees pictures; what is none is refused before anything of it runs."""

import warnings

import pytest
import torch
from torch import nn

from evaluate.sets import noise
from unnoise.core.error import Refused
from unnoise.evaluate.features import opened, seen
from unnoise.evaluate.features.torchscript import TorchScript


class Means(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class Pair(nn.Module):
    def forward(self, x):
        return x.mean((2, 3)), x


class Picky(nn.Module):
    def forward(self, x):
        return x.reshape(-1, 3 * 299 * 299)[:, :4]


def saved(folder, module):
    path = folder / "mine.pt"
    with warnings.catch_warnings():  # torch calls TorchScript old; people's files are
        warnings.simplefilter("ignore")
        torch.jit.script(module).save(str(path))
    return path


@pytest.mark.parametrize("module", [Means(), Pair()], ids=["vector", "tuple"])
def test_a_file_is_features(module, tmp_path) -> None:
    features, x = opened(str(saved(tmp_path, module))), noise(5, size=16)
    assert torch.allclose(seen(features, x, 2), x.float().mean((2, 3)) / 255, atol=0.02)
    assert features.name == "mine" and len(features.digest.split()[0]) == 64


def test_values_are_as_the_network_takes_them(tmp_path) -> None:
    file, x = str(saved(tmp_path, Means())), torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)
    found = {v: TorchScript(file, 8, v)(x)[0].tolist() for v in ("unit", "signed", "bytes", "imagenet")}
    assert found["unit"] == pytest.approx([1] * 3) and found["signed"] == pytest.approx([1] * 3)
    assert found["bytes"] == pytest.approx([255] * 3)
    assert found["imagenet"] == pytest.approx([2.2489, 2.4286, 2.64], abs=1e-3)
    assert TorchScript(file, 8, "signed")(0 * x)[0].tolist() == pytest.approx([-1] * 3)


def test_a_size_that_it_does_not_take_is_refused(tmp_path) -> None:
    file = str(saved(tmp_path, Picky()))
    with pytest.raises(Refused, match="does not take 224 pixels"):
        opened(file)(noise(2))
    assert opened(f"torchscript:file={file},size=299")(noise(2)).shape == (2, 4)


def test_a_file_of_weights_is_no_network(tmp_path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"weight": torch.ones(2)}, path)
    with pytest.raises(Refused, match="holds no network"):
        opened(str(path))
    with pytest.raises(Refused, match="no TorchScript file"):
        TorchScript(str(path))


@pytest.mark.parametrize("size", [0, -1, 10**6])
def test_a_size_that_none_takes_is_refused_at_once(tmp_path, size) -> None:
    with pytest.raises(Refused, match="from 1 to 2048"):
        opened(f"torchscript:file={saved(tmp_path, Picky())},size={size}")
