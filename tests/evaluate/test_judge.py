"""The judge of evaluations: its file there and back, pictures of any size, words in any number."""

import pytest
import torch

from evaluate.sets import noise
from judging import judge_file, towers
from unnoise.core.error import Refused
from unnoise.core.model import Wish
from unnoise.evaluate.judge import located, opened
from unnoise.networks.eye import direction


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return judge_file(tmp_path_factory.mktemp("judge"))


def test_it_sees_and_reads_as_its_towers_do(file):
    judge, (eye, text) = opened(str(file)), towers()
    pictures, words = noise(3), ["a red fox", "rocket"]
    media = pictures.float() / 127.5 - 1
    torch.testing.assert_close(judge.pictures(pictures), eye(media))
    torch.testing.assert_close(judge.looks(pictures), eye.look(media))
    read = text(text.prepare([Wish(word) for word in words]))
    torch.testing.assert_close(judge.words(words), direction(read.pooled))
    assert judge.name == "judge"


def test_how_many_at_once_makes_no_difference(file):
    judge, pictures = opened(str(file)), noise(70)
    torch.testing.assert_close(judge.pictures(pictures)[65:], judge.pictures(pictures[65:]))
    torch.testing.assert_close(judge.words(["x"] * 69 + ["fox"])[69:], judge.words(["fox"]), atol=1e-5, rtol=1e-4)


def test_grey_is_colour(file):
    grey = noise(2, channels=1)
    judge = opened(str(file))
    torch.testing.assert_close(judge.pictures(grey), judge.pictures(grey.repeat(1, 3, 1, 1)))


def test_it_is_read_once_and_again_where_it_changed(file, tmp_path):
    assert opened(str(file)) is opened(str(file))
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(file.read_bytes())
    first = opened(str(copy))
    import os

    os.utime(copy, ns=(1, 1))
    assert opened(str(copy)) is not first


def test_what_is_no_judge_is_refused(tmp_path, tiny_model, monkeypatch):
    monkeypatch.setenv("UNNOISE_HOME", str(tmp_path))
    with pytest.raises(Refused, match="unnoise train emoji_judge"):
        located("no_such_judge")
    with pytest.raises(Refused, match="holds no eye"):
        opened(str(tiny_model))
