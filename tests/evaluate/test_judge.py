"""A judge's file is found, read once, and lays pictures and words on one sphere."""

import pytest
import torch

from evaluate.judges import towers, written
from evaluate.sets import noise
from unnoise.core.error import Refused
from unnoise.core.model import Wish
from unnoise.evaluate import judge as module
from unnoise.evaluate.judge import located, opened
from unnoise.networks.eye import direction
from unnoise.weights.parts import export_parts
from unnoise.weights.store import write_tensors


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return written(tmp_path_factory.mktemp("judges") / "tiny.safetensors")


def test_it_sees_and_reads_as_its_towers_do(file) -> None:
    judge, (eye, text) = opened(str(file)), towers()
    pictures = noise(3, size=8)
    with torch.no_grad():
        media = pictures.float() / 127.5 - 1
        assert torch.allclose(judge.pictures(pictures), eye(media)) and torch.allclose(
            judge.looks(pictures), eye.look(media)
        )
        read = direction(text(text.prepare([Wish("a red fox"), Wish("rocket")])).tensors()["pooled"])
    assert torch.allclose(judge.words(["a red fox", "rocket"]), read, atol=1e-6)
    assert judge.name == "tiny" and not torch.allclose(read[0], read[1])


def test_all_are_of_length_one_and_neighbours_make_no_difference(file, monkeypatch) -> None:
    judge, pictures, words = opened(str(file)), noise(5), ["a cat", "two green apples", "a blue bird in the snow"]
    seen, read = judge.pictures(pictures), judge.words(words)
    assert torch.allclose(seen.norm(dim=1), torch.ones(5)) and torch.allclose(read.norm(dim=1), torch.ones(3))
    monkeypatch.setattr(module, "TOGETHER", 2)
    assert torch.allclose(judge.pictures(pictures), seen, atol=1e-5)
    assert torch.allclose(judge.words(words), read, atol=1e-5)


def test_grey_is_colour_and_any_size_does(file) -> None:
    judge, grey = opened(str(file)), noise(2, channels=1)
    assert torch.allclose(judge.pictures(grey), judge.pictures(grey.repeat(1, 3, 1, 1)))
    assert judge.looks(noise(2, size=24)).shape == (2, 16)


def test_a_file_is_read_once_unless_it_is_another(tmp_path) -> None:
    path = written(tmp_path / "tiny.safetensors")
    first = opened(str(path))
    assert opened(str(path)) is first
    path.unlink()
    assert opened(str(written(path))) is not first


def test_what_is_no_judge_is_refused(tmp_path, tiny_model) -> None:
    with pytest.raises(Refused, match="no judge: there is no eye 'emoji_jdge'") as refused:
        located("emoji_jdge")
    assert refused.value.field == "judge" and "unnoise train emoji_judge" in str(refused.value)
    with pytest.raises(Refused, match="holds no eye"):
        opened(str(tiny_model))
    eye, _ = towers()
    path = tmp_path / "half.safetensors"
    write_tensors(path, *export_parts({"eye": eye}, torch.float32, {}))
    with pytest.raises(Refused, match="holds no text"):
        opened(str(path))
