"""A request's adapters are checked before anything is loaded, put on in a run, and told of."""

import pytest
import torch

from unnoise import Generate, Result, library
from unnoise.adapters.shelf import Adapters
from unnoise.catalogue import load
from unnoise.core.error import Refused
from unnoise.tasks._adapt import check_adapters, check_embeddings, told
from unnoise.tasks._request import fits, task_of
from unnoise.weights.store import write_tensors


def test_strengths_are_written_out():
    assert check_adapters(("a", "b:0.5", "c:text=1"), "lora") == ("a:1", "b:0.5", "c:text=1")
    assert check_embeddings(("a", "b")) == ("a", "b")


@pytest.mark.parametrize("specs", [("a", "a:2"), ("a:x=1",), ("",), "style", tuple(f"a{i}" for i in range(65))])
def test_adapters_that_cannot_be(specs):
    with pytest.raises(Refused):
        check_adapters(specs, "lora")


@pytest.mark.parametrize("names", [("a", "a"), ("",), ("a\0",), "word"])
def test_embeddings_that_cannot_be(names):
    with pytest.raises(Refused):
        check_embeddings(names)


def test_a_strangers_request_may_say_anything():
    assert told({"lora": ["a", 3]}, "lora") == ("a",)
    assert told({"lora": "a"}, "lora") == told({"lora": 3}, "lora") == told({}, "lora") == ()
    assert fits(Generate, "lora", ["a"]) and not fits(Generate, "lora", [1]) and not fits(Generate, "lora", "a")
    assert not fits(Generate, "prompt", ["a"])
    assert task_of("generate", {"prompt": "x", "lora": ["a:0.5"]}).lora == ("a:0.5",)


def made(shelf, **fields):
    events = Generate(prompt="a red fox", model="tiny", seed=1, steps=2, **fields).run(shelf)
    return next(event for event in events if isinstance(event, Result))


def test_jobs_with_and_without_an_adapter_interleave(tiny_model, tmp_path):
    model, random = load(str(tiny_model), "cpu"), torch.Generator().manual_seed(3)
    tensors = {
        f"network.{name}.{slot}.weight": torch.randn(shape, generator=random)
        for name, layer in model.denoiser.network.named_modules()
        if isinstance(layer, torch.nn.Linear) and name.startswith("blocks")
        for slot, shape in (("lora_A", (2, layer.in_features)), ("lora_B", (layer.out_features, 2)))
    }
    write_tensors(tmp_path / "style.safetensors", tensors, {"format": "pt"})
    shelf = library({"tiny": model}, "cpu")
    shelf.adapters = Adapters(lora={"mine": tmp_path / "style.safetensors"})
    plain, styled = made(shelf), made(shelf, lora=("mine:0.5",))
    assert not torch.equal(plain.pixels, styled.pixels)
    one = Generate(prompt="a red fox", model="tiny", seed=1, steps=2).run(shelf)
    other = Generate(prompt="a red fox", model="tiny", seed=1, steps=2, lora=("mine:0.5",)).run(shelf)
    found = [list(pair) for pair in zip(one, other, strict=True)]
    assert torch.equal(found[-1][0].pixels, plain.pixels) and torch.equal(found[-1][1].pixels, styled.pixels)
    assert styled.record.request["lora"] == ["mine:0.5"] and "style.safetensors" in styled.record.files
    with pytest.raises(Refused, match="no lora"):
        made(shelf, lora=("yours",))
