"""What a judge sees is a way of seeing like any other, by the judge's name or file."""

import pytest
import torch

from evaluate.judges import written
from evaluate.sets import noise
from unnoise.core.error import Refused
from unnoise.evaluate.features import opened, seen
from unnoise.evaluate.judge import opened as judge
from unnoise.weights.digest import sha256


def test_a_judges_file_is_read_as_one(tmp_path) -> None:
    path = written(tmp_path / "mine.safetensors")
    features, pictures = opened(str(path)), noise(3, channels=1)
    assert (features.name, features.digest) == ("mine", sha256(path))
    found = seen(features, pictures)
    assert found.shape == (3, 16) and torch.equal(found, judge(str(path)).looks(pictures.expand(-1, 3, -1, -1)))


def test_a_model_is_no_judge(tiny_model) -> None:
    with pytest.raises(Refused, match="holds no network"):
        opened(str(tiny_model))
    with pytest.raises(Refused, match="holds no eye"):
        seen(opened(f"judge:file={tiny_model}"), noise(1))


def test_one_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="no judge"):
        seen(opened("judge:file=emoji_jdge"), noise(1))
