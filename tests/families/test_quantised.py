"""A model whose network is a quantised file draws what its numbers draw, and never holds them all."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from families.whole import WORDS, single, tokenizers
from unnoise import Generate, Result, library, load
from unnoise.catalogue import reading, recognise
from unnoise.families._converted import convert
from unnoise.families._folder import read_source
from unnoise.weights.gguf_writer import write_gguf
from unnoise.weights.maps import t5
from unnoise.weights.open import open_tensors
from unnoise.weights.packed import Packed

NETWORK = "model.diffusion_model."


@pytest.fixture(scope="module", params=["flux dev", "sd3"])
def files(request, tmp_path_factory):
    """A network in Q8_0 with the other parts beside it, and a whole file of the numbers that its blocks stand for."""
    folder = tmp_path_factory.mktemp("quantised")
    said = reading({"tokenizer": list(tokenizers(folder / "words"))})
    whole = single(request.param, folder / "whole.safetensors")
    source = read_source(whole, said)
    convert(source, recognise(source).describe(source), folder / "network.gguf", "gguf", "q8_0")
    tensors, packed = load_file(whole), open_tensors(folder / "network.gguf")
    same = {f"{NETWORK}{name.removeprefix(NETWORK)}": value for name, value in packed.items()}
    save_file(tensors | same, folder / "numbers.safetensors")
    save_file({k: v for k, v in tensors.items() if not k.startswith(NETWORK)}, folder / "beside.safetensors")
    return folder


def test_it_draws_what_its_numbers_draw(files):
    beside, words = [str(files / "beside.safetensors")], list(tokenizers(files / "words"))
    parts = {"vae": beside, "text": beside, "tokenizer": words}
    quantised = load(str(files / "network.gguf"), device="cpu", parts=parts)
    plain = load(str(files / "numbers.safetensors"), device="cpu", parts={"tokenizer": words})
    kinds = [isinstance(p, Packed) for p in quantised.denoiser.network.parameters() if p.ndim == 2]
    assert sum(kinds) > len(kinds) / 2
    assert not any(isinstance(p, Packed) for p in plain.denoiser.network.parameters())
    assert torch.equal(latent(quantised), latent(plain))


def latent(model):
    asked = Generate(prompt="a fox", model="m", width=16, height=32, steps=2, seed=1)
    return next(event.latent for event in asked.run(library({"m": model})) if isinstance(event, Result))


def test_a_text_encoder_may_be_quantised_too_by_llama_cpp_s_names(files):
    t5s = "text_encoders.t5xxl.transformer."
    tensors = load_file(files / "beside.safetensors")
    own = t5.original(WORDS).ours({k.removeprefix(t5s): v for k, v in tensors.items() if k.startswith(t5s)})
    stored = t5.original(WORDS, {"token_embd.weight"}).theirs(own)
    write_gguf(files / "t5.gguf", stored, {"general.architecture": "t5encoder"}, "Q8_0")
    unpacked = t5.original(WORDS, {"token_embd.weight"}).ours(open_tensors(files / "t5.gguf"))
    numbers = t5.original(WORDS).theirs(unpacked)
    save_file({k: v.contiguous() for k, v in numbers.items()}, files / "t5.safetensors")
    save_file({k: v for k, v in tensors.items() if not k.startswith(t5s)}, files / "rest.safetensors")
    rest, words = str(files / "rest.safetensors"), list(tokenizers(files / "words"))
    made, expected = (
        load(
            str(files / "network.gguf"),
            device="cpu",
            parts={"vae": [rest], "text": [rest, str(files / f"t5.{kind}")], "tokenizer": words},
        )
        for kind in ("gguf", "safetensors")
    )
    assert any(isinstance(p, Packed) for p in made.conditioner.parameters())
    assert torch.equal(latent(made), latent(expected))
