"""Conditioners beside the pipelines they stand for: what diffusers' `encode_prompt` gives, from files that it saved."""

import gzip
import json
import warnings
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from unnoise.core.model import Wish
from unnoise.networks.clip_text import CLIPText, CLIPTextConfig
from unnoise.networks.t5 import T5, T5Config
from unnoise.text._clip_files import MERGES, clip_words
from unnoise.text._encode import CLIP, T5Text
from unnoise.text._t5_files import t5_words
from unnoise.text.clip import CLIPConditioner
from unnoise.text.flux import FluxConditioner
from unnoise.text.sd3 import SD3Conditioner, SD3Config, SD3Texts
from unnoise.text.sdxl import SDXLConditioner, SDXLConfig
from unnoise.weights.maps import clip, t5
from unnoise.weights.place import Place, filled

transformers = pytest.importorskip("transformers", reason="transformers, the library compared with, is not installed")
CPU = Place(torch.device("cpu"), torch.float32)
PROMPTS = ["a photo of a cat, 4k", "", "x", " ".join(["red fox"] * 37)]
WIDTH = 48


@dataclass
class Made:
    """What a conditioner makes, whatever its network."""

    context: torch.Tensor
    pooled: torch.Tensor | None = None
    mask: torch.Tensor | None = None
    guidance: torch.Tensor | None = None


@pytest.fixture(scope="module")
def diffusers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of optional packages
        return pytest.importorskip("diffusers", reason="diffusers, the library compared with, is not installed")


@pytest.fixture(scope="module")
def tokenizers(shared, tmp_path_factory):
    """Folders as published: CLIP's that fills up with the end, CLIP's that fills up with "!", and T5's."""
    source = shared / "fixtures" / "tokenizers"
    if not source.is_dir():
        pytest.skip("the published tokenizers are not in the folder 'shared'")
    folder, packed = tmp_path_factory.mktemp("tokenizers"), source / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(packed.read_bytes()).decode().split("\n")[: 1 + MERGES]
    found = {}
    for name, pad in (("ends", "<|endoftext|>"), ("zeros", "!")):
        (place := folder / name).mkdir()
        (place / "merges.txt").write_text("\n".join(["#version: 0.2", *lines[1:], ""]), encoding="utf-8")
        (place / "vocab.json").write_text(json.dumps(clip_words(packed).tokenizer.get_vocab()), encoding="utf-8")
        said = {"tokenizer_class": "CLIPTokenizer", "pad_token": pad, "model_max_length": 77}
        (place / "tokenizer_config.json").write_text(json.dumps(said))
        found[name] = place
    (folder / "t5").mkdir()
    (folder / "t5" / "tokenizer.json").write_bytes((source / "t5_tokenizer.json").read_bytes())
    found["t5"] = folder / "t5"
    return found


@dataclass
class Pair:
    """An encoder and its tokenizer: theirs, and ours read from the files that they save."""

    model: Any
    tokenizer: Any
    ours: Any


def clip_pair(folder, tokenizer, projected, width=16, end=2):
    torch.manual_seed(width)
    sizes = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 3, "num_attention_heads": 2}
    config = transformers.CLIPTextConfig(**sizes, vocab_size=49408, projection_dim=width, eos_token_id=end)
    kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    model = scattered(kind(config))
    model.save_pretrained(folder)
    mine = CLIPTextConfig(**clip.from_diffusers(json.loads((folder / "config.json").read_text())))
    stored = clip.diffusers(mine).ours(load_file(folder / "model.safetensors"))
    words = clip_words(tokenizer)
    ours = CLIP(filled(lambda: CLIPText(mine), stored, "", CPU), words)
    return Pair(model, transformers.CLIPTokenizer.from_pretrained(tokenizer), ours)


def t5_pair(folder, tokenizer):
    sizes = {"vocab_size": 32128, "d_model": WIDTH, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    model = scattered(transformers.T5EncoderModel(transformers.T5Config(**sizes, feed_forward_proj="gated-gelu")))
    model.save_pretrained(folder)
    mine = T5Config(**t5.from_diffusers(json.loads((folder / "config.json").read_text())))
    stored = t5.diffusers(mine).ours(load_file(folder / "model.safetensors"))
    ours = T5Text(filled(lambda: T5(mine), stored, "", CPU), t5_words(tokenizer))
    return Pair(model, transformers.T5Tokenizer.from_pretrained(tokenizer), ours)


def scattered(model):
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def made(conditioner, *wishes):
    with torch.no_grad():
        return conditioner(conditioner.prepare(wishes))


def near(found, expected):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1e-9)


@pytest.mark.parametrize("padding", ["ends", "zeros"], ids=["SD 1", "SD 2"])
@torch.no_grad()
def test_stable_diffusion(tmp_path, diffusers, tokenizers, padding):
    pair = clip_pair(tmp_path, tokenizers[padding], projected=False)
    pipeline = diffusers.StableDiffusionPipeline(
        vae=None,
        unet=None,
        scheduler=None,
        safety_checker=None,
        feature_extractor=None,
        text_encoder=pair.model,
        tokenizer=pair.tokenizer,
        requires_safety_checker=False,
    )
    conditioner = CLIPConditioner(pair.ours, Made)
    for prompt in PROMPTS:
        told, free = pipeline.encode_prompt(prompt, "cpu", 1, True)
        found = made(conditioner, Wish(prompt))
        near(found.context, told)
        near(made(conditioner, Wish("", negative=True)).context, free)
        assert found.mask is None and found.pooled is None


@torch.no_grad()
def test_skipped_layers(tmp_path, tokenizers):
    """As AUTOMATIC1111 and diffusers mean them: the final norm goes over the state before. (diffusers' own option fails
    with the newest transformers.)"""
    pair = clip_pair(tmp_path, tokenizers["ends"], projected=False)
    words = pair.tokenizer("a cat", padding="max_length", max_length=77, return_tensors="pt").input_ids
    told = pair.model(words, output_hidden_states=True).hidden_states
    for skip in (1, 2):
        found = made(CLIPConditioner(pair.ours, Made, skip), Wish("a cat"))
        near(found.context, pair.model.final_layer_norm(told[-1 - skip]))


@pytest.mark.parametrize("zero", [True, False])
@torch.no_grad()
def test_sdxl(tmp_path, diffusers, tokenizers, zero):
    first = clip_pair(tmp_path / "1", tokenizers["ends"], projected=False)
    second = clip_pair(tmp_path / "2", tokenizers["zeros"], projected=True, width=24)
    pipeline = diffusers.StableDiffusionXLPipeline(
        vae=None,
        unet=None,
        scheduler=None,
        text_encoder=first.model,
        tokenizer=first.tokenizer,
        text_encoder_2=second.model,
        tokenizer_2=second.tokenizer,
        force_zeros_for_empty_prompt=zero,
        add_watermarker=False,
    )
    conditioner = SDXLConditioner(first.ours, second.ours, Made, SDXLConfig(zero=zero))
    time = diffusers.models.embeddings.Timesteps(256, flip_sin_to_cos=True, downscale_freq_shift=0)
    numbers = time(torch.tensor([640.0, 512.0, 0.0, 0.0, 640.0, 512.0])).reshape(1, -1)
    for prompt in PROMPTS:
        told = pipeline.encode_prompt(prompt, device="cpu", negative_prompt=None)
        for found, context, pooled in (
            (made(conditioner, Wish(prompt, 512, 640)), told[0], told[2]),
            (made(conditioner, Wish("", 512, 640, negative=True)), told[1], told[3]),
        ):
            near(found.context, context)
            near(found.pooled, torch.cat([pooled, numbers], 1))
            assert not zero or context is told[0] or not found.context.any()


@torch.no_grad()
def test_the_refiner(tmp_path, diffusers, tokenizers):
    second = clip_pair(tmp_path, tokenizers["zeros"], projected=True, width=24)
    conditioner = SDXLConditioner(None, second.ours, Made, SDXLConfig(zero=False, aesthetic=True))
    time = diffusers.models.embeddings.Timesteps(256, flip_sin_to_cos=True, downscale_freq_shift=0)
    for wish, score in ((Wish("a cat", 512, 640), 6.0), (Wish("blurred", 512, 640, negative=True), 2.5)):
        words = second.tokenizer(wish.prompt, padding="max_length", max_length=77, return_tensors="pt").input_ids
        told = second.model(words, output_hidden_states=True)
        found = made(conditioner, wish)
        near(found.context, told.hidden_states[-2])
        numbers = time(torch.tensor([640.0, 512.0, 0.0, 0.0, score])).reshape(1, -1)
        near(found.pooled, torch.cat([told.text_embeds, numbers], 1))


@pytest.mark.parametrize("missing", ["", "t5"])
@torch.no_grad()
def test_sd3(tmp_path, diffusers, tokenizers, missing):
    first = clip_pair(tmp_path / "1", tokenizers["ends"], projected=True)
    second = clip_pair(tmp_path / "2", tokenizers["zeros"], projected=True, width=24, end=49407)
    third = None if missing else t5_pair(tmp_path / "3", tokenizers["t5"])
    with torch.device("meta"):
        transformer = diffusers.SD3Transformer2DModel(num_layers=1, joint_attention_dim=WIDTH)
    pipeline = diffusers.StableDiffusion3Pipeline(
        vae=None,
        scheduler=None,
        transformer=transformer,
        text_encoder=first.model,
        tokenizer=first.tokenizer,
        text_encoder_2=second.model,
        tokenizer_2=second.tokenizer,
        text_encoder_3=third and third.model,
        tokenizer_3=third and third.tokenizer,
    )
    texts = SD3Texts(first.ours, second.ours, third and third.ours)
    conditioner = SD3Conditioner(texts, Made, SD3Config(width=WIDTH, large=16, gigantic=24, tokens=160))
    for prompt in PROMPTS:
        told = pipeline.encode_prompt(prompt, None, None, device="cpu", max_sequence_length=160)
        for wish, context, pooled in (
            (Wish(prompt), told[0], told[2]),
            (Wish("", negative=True), told[1], told[3]),
        ):
            found = made(conditioner, wish)
            near(found.context, context)
            near(found.pooled, pooled)
            assert found.mask is None


@torch.no_grad()
def test_flux(tmp_path, diffusers, tokenizers):
    first = clip_pair(tmp_path / "1", tokenizers["ends"], projected=False)
    second = t5_pair(tmp_path / "2", tokenizers["t5"])
    pipeline = diffusers.FluxPipeline(
        vae=None,
        scheduler=None,
        transformer=None,
        text_encoder=first.model,
        tokenizer=first.tokenizer,
        text_encoder_2=second.model,
        tokenizer_2=second.tokenizer,
    )
    conditioner = FluxConditioner(first.ours, second.ours, Made, tokens=160, guidance=3.5)
    for prompt in PROMPTS:
        context, pooled, _ = pipeline.encode_prompt(prompt, device="cpu", max_sequence_length=160)
        found = made(conditioner, Wish(prompt))
        near(found.context, context)
        near(found.pooled, pooled)
        assert found.mask is None and found.guidance.tolist() == [3.5]
