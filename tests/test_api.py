"""The shortest way to a picture."""

import pytest
import torch

import unnoise
from unnoise.media.embed import read_record
from unnoise.media.image import read


def test_words_become_pictures(tiny_model, tmp_path):
    pictures = unnoise.generate("a red fox", model=str(tiny_model), seed=3, count=2, steps=2)
    assert [p.seed for p in pictures] == [3, 4]
    path = pictures[1].save(tmp_path / "fox.png")
    assert torch.equal(read(path), pictures[1].pixels)
    assert read_record(path) == pictures[1].record


def test_a_library_of_one_s_own(tiny_model):
    shelf = unnoise.library({"mine": unnoise.load(str(tiny_model), "cpu")})
    assert unnoise.generate("x", model="mine", library=shelf, seed=1)[0].record.model == "mine"


def test_the_contract_s_words(tiny_model):
    shelf = unnoise.library(models={"mine": unnoise.load(str(tiny_model), "cpu")}, device="cpu")
    events = list(unnoise.Generate(prompt="a red fox", model="mine", seed=1).run(shelf))
    assert isinstance(events[0], unnoise.Progress) and isinstance(events[-1], unnoise.Result)


def test_what_cannot_be_is_refused(tiny_model, tmp_path):
    with pytest.raises(unnoise.Refused, match="euler"):
        unnoise.generate("x", model=str(tiny_model), sampler="eluer")
    with pytest.raises(unnoise.Refused, match=r"fox\.tga"):
        unnoise.generate("x", model=str(tiny_model), seed=1)[0].save(tmp_path / "fox.tga")
    with pytest.raises(TypeError):
        unnoise.generate("x", model=str(tiny_model), colour="red")
