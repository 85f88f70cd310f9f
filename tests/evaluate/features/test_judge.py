"""The judge as features: what it sees before the sphere, by name or by file."""

import pytest
import torch

from evaluate.sets import noise
from judging import judge_file
from unnoise.core.error import Refused
from unnoise.evaluate.features import FEATURES, opened, seen
from unnoise.evaluate.judge import opened as judge_of
from unnoise.weights.digest import sha256


def test_a_judge_s_file_is_known_for_one(tmp_path):
    file = judge_file(tmp_path, "mine")
    features = opened(str(file))
    assert isinstance(features, FEATURES["judge"])
    assert features.name == "mine" and features.digest == sha256(file)
    x = noise(5)
    torch.testing.assert_close(seen(features, x), judge_of(str(file)).looks(x))
    assert seen(features, x).shape == (5, 12)


def test_it_is_found_by_name_among_a_person_s_own(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    file = judge_file(tmp_path / "models", "mine")
    monkeypatch.setenv("UNNOISE_HOME", str(tmp_path))
    features = opened("judge:file=mine")
    assert features.digest == sha256(file) and seen(features, noise(2)).shape == (2, 12)


def test_a_model_of_another_kind_is_no_judge(tiny_model, tmp_path, monkeypatch):
    with pytest.raises(Refused, match="holds no network"):
        opened(str(tiny_model))
    monkeypatch.setenv("UNNOISE_HOME", str(tmp_path))
    with pytest.raises(Refused, match="no judge"):
        seen(opened("judge:file=missing"), noise(2))
