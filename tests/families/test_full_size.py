"""Files of the published sizes, sparse: every name is used, every shape fits, and counts are the published ones."""

import json
from pathlib import Path

import pytest
import torch

from unnoise.catalogue import assembled, describe, reading
from unnoise.families._parts import Within
from unnoise.networks.autoencoder_kl import AutoencoderKL, AutoencoderKLConfig
from unnoise.networks.clip_text import CLIPText, CLIPTextConfig
from unnoise.networks.flux import Flux, FluxConfig
from unnoise.networks.ldm_unet import LDMUNet, LDMUNetConfig
from unnoise.networks.mmdit import MMDiT, MMDiTConfig
from unnoise.networks.t5 import T5, T5Config
from unnoise.weights.maps import clip, flux, kl, ldm_unet, mmdit, t5
from unnoise.weights.place import Place

META = Place(torch.device("meta"), torch.float32)
CLIP_L = CLIPTextConfig()
GIGANTIC = CLIPTextConfig(width=1280, depth=32, heads=20, hidden=5120, activation="gelu", projection=1280)
HUGE = CLIPTextConfig(width=1024, depth=24, heads=16, hidden=4096, activation="gelu")
SMALL_LATENT, LARGE_LATENT = AutoencoderKLConfig(), AutoencoderKLConfig(channels=16, quant=False, post_quant=False)
XL = LDMUNetConfig(
    widths=(320, 640, 1280), depths=(0, 2, 10), middle=10, heads=(5, 10, 20), context=2048, pooled=2816, linear=True
)
SD2 = LDMUNetConfig(heads=(5, 10, 20, 20), context=1024, linear=True)
LARGE = MMDiTConfig(width=2432, depth=38, heads=38, positions=192, normed=True)


def made(kind, config, names, prefix):
    with torch.device("meta"):
        state = kind(config).state_dict()
    return {prefix + name: tuple(value.shape) for name, value in names.theirs(state).items()}


def hf(config, prefix):
    return made(CLIPText, config, clip.original(config, "hf"), prefix)


def open_clip(config, prefix):
    return made(CLIPText, config, clip.original(config, "open_clip"), prefix)


def unet(config):
    return made(LDMUNet, config, ldm_unet.original(config), "model.diffusion_model.")


def vae(config, prefix="first_stage_model."):
    return made(AutoencoderKL, config, kl.original(config), prefix)


def xxl(prefix):
    return made(T5, T5Config(), t5.original(T5Config()), prefix)


FILES = {
    "sd1": lambda: unet(LDMUNetConfig()) | vae(SMALL_LATENT) | hf(CLIP_L, "cond_stage_model.transformer."),
    "sd2": lambda: unet(SD2) | vae(SMALL_LATENT) | open_clip(HUGE, "cond_stage_model.model."),
    "sdxl": lambda: (
        unet(XL)
        | vae(SMALL_LATENT)
        | hf(CLIP_L, "conditioner.embedders.0.transformer.")
        | open_clip(GIGANTIC, "conditioner.embedders.1.model.")
    ),
    "sd3": lambda: (
        made(MMDiT, LARGE, mmdit.original(LARGE), "model.diffusion_model.")
        | vae(LARGE_LATENT)
        | hf(CLIPTextConfig(projection=768), "text_encoders.clip_l.transformer.")
        | hf(GIGANTIC, "text_encoders.clip_g.transformer.")
        | xxl("text_encoders.t5xxl.transformer.")
    ),
    "flux": lambda: (
        made(Flux, FluxConfig(), flux.original(FluxConfig()), "model.diffusion_model.")
        | vae(LARGE_LATENT, "vae.")
        | hf(CLIP_L, "text_encoders.clip_l.transformer.")
        | xxl("text_encoders.t5xxl.transformer.")
    ),
}
PUBLISHED = {
    "sd1": ("Stable Diffusion 1", 512, 860 + 123 + 84),
    "sd2": ("Stable Diffusion 2", 512, 866 + 353 + 84),
    "sdxl": ("Stable Diffusion XL", 1024, 2567 + 123 + 695 + 84),
    "sd3": ("Stable Diffusion 3.5 Large", 1024, 8057 + 90 + 124 + 695 + 4762 + 84),
    "flux": ("FLUX.1 dev", 1024, 11901 + 123 + 4762 + 84),
}
"""Titles, sides and millions of parameters: the network's with its table of places, the text encoders', the
autoencoder's. SD 2 of nothing but zeros is taken for the kind that predicts noise, whose side is 512."""


def sparse(path: Path, shapes: dict[str, tuple[int, ...]]) -> Path:
    """A file of half-precision zeros that takes no room."""
    header, place = {}, 0
    for name, shape in shapes.items():
        size = 2 * torch.Size(shape).numel()
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + place)
    return path


@pytest.mark.parametrize("family", FILES)
def test_every_name_of_a_published_size_is_used(tmp_path, shared, family):
    path = sparse(tmp_path / "x.safetensors", FILES[family]())
    tokens = shared / "fixtures" / "tokenizers" / "t5_spiece.model"
    beside = reading({"tokenizer": tokens} if tokens.is_file() else {})
    about = describe(str(path), beside)
    title, side, millions = PUBLISHED[family]
    patched = family in ("sd3", "flux")
    assert (about.family, about.title, about.width, about.multiple) == (family, title, side, 16 if patched else 8)
    assert about.parameters / 1e6 == pytest.approx(millions, rel=0.005)
    assert "missing" not in about.facts
    model = assembled(str(path), META, beside)
    assert all(value.is_meta for value in model.denoiser.parameters())
    assert (model.codec.scale, model.codec.channels) == (8, 16 if patched else 4)


def test_a_view_of_a_prefix_is_a_mapping():
    whole = {"a.b": torch.ones(1), "a.c": torch.zeros(1), "b": torch.zeros(2)}
    inner = Within(whole, "a.")
    assert list(inner) == ["b", "c"] and len(inner) == 2 and inner["b"] is whole["a.b"]
