"""What a single file's shapes say of full-size networks, in diffusers' words: those of the published config.json."""

import warnings
from dataclasses import asdict

import pytest
import torch

from parity.latent import FULL
from parity.pipes import peers
from unnoise.families._layouts import DEV, SD1, SD2, SD3, SDXL
from unnoise.families._networks import MODULES
from unnoise.weights.maps import clip, flux, kl, ldm_unet, mmdit, t5

BARE = {"use_quant_conv": False, "use_post_quant_conv": False}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
MEDIUM = {"num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536, "out_channels": 16}
LARGE = {"num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432, "out_channels": 16}
NORMED = {"qk_norm": "rms_norm"}
L = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12}
H = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "hidden_act": "gelu"}
G = {"hidden_size": 1280, "intermediate_size": 5120, "num_attention_heads": 20, "num_hidden_layers": 32}
XXL = {"vocab_size": 32128, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64}

CASES = {
    **{f"unet {name}": (ldm_unet, {}, "UNet2DConditionModel", config) for name, config in FULL.items()},
    "vae sd1": (kl, SD1.usual["vae"], "AutoencoderKL", VAE),
    "vae sdxl": (kl, SDXL.usual["vae"], "AutoencoderKL", VAE | {"scaling_factor": 0.13025}),
    "vae sd3": (
        kl,
        SD3.usual["vae"],
        "AutoencoderKL",
        VAE | BARE | {"latent_channels": 16, "scaling_factor": 1.5305, "shift_factor": 0.0609},
    ),
    "vae flux": (
        kl,
        DEV.usual["vae"],
        "AutoencoderKL",
        VAE | BARE | {"latent_channels": 16, "scaling_factor": 0.3611, "shift_factor": 0.1159},
    ),
    "sd3 medium": (mmdit, {}, "SD3Transformer2DModel", MEDIUM | {"pos_embed_max_size": 192}),
    "sd3.5 medium": (
        mmdit,
        {},
        "SD3Transformer2DModel",
        MEDIUM | NORMED | {"pos_embed_max_size": 384, "dual_attention_layers": tuple(range(13))},
    ),
    "sd3.5 large": (mmdit, {}, "SD3Transformer2DModel", LARGE | NORMED | {"pos_embed_max_size": 192}),
    "flux dev": (flux, {}, "FluxTransformer2DModel", {"guidance_embeds": True}),
    "flux schnell": (flux, {}, "FluxTransformer2DModel", {"guidance_embeds": False}),
    "clip l": (clip, SD1.usual["clip_l"], "CLIPTextModel", L),
    "clip h": (clip, SD2.usual["clip_h"], "CLIPTextModel", H | {"num_hidden_layers": 23}),
    "clip g": (
        clip,
        SDXL.usual["clip_g"],
        "CLIPTextModelWithProjection",
        G | {"hidden_act": "gelu", "projection_dim": 1280},
    ),
    "t5 xxl": (t5, {}, "T5EncoderModel", XXL | {"feed_forward_proj": "gated-gelu"}),
}


def built(name, config):
    """One of their models on the meta device, and its config as they save it."""
    diffusers, transformers = peers()
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if hasattr(diffusers, name):
            model = getattr(diffusers, name)(**{k: v for k, v in config.items() if k != "_class_name"})
            return model, dict(model.config)
        kind = getattr(transformers, name)
        known = {k: v for k, v in config.items() if k not in ("architectures", "model_type")}
        model = kind(kind.config_class(**known))
        return model, model.config.to_dict() | {"architectures": [name]}


def alike(mine, other):
    """Whether two settings say the same: a number for all levels may stand once, or for each."""
    if isinstance(mine, list | tuple) and not isinstance(other, list | tuple):
        return all(each == other for each in mine)
    return list(mine) == list(other) if isinstance(mine, list | tuple) else mine == other


def shapes(tensors):
    return {k: tuple(v.shape) for k, v in tensors.items()}


@pytest.mark.parametrize("case", CASES)
def test_shapes_say_what_the_published_settings_say(case):
    maps, usual, name, published = CASES[case]
    theirs, config = built(name, published)
    module = MODULES[maps]
    mine = module.Config(**maps.from_diffusers(config))
    with torch.device("meta"):
        tensors = module(mine).state_dict()
    single = (maps.original(mine, "hf") if maps is clip else maps.original(mine)).theirs(tensors)
    found = module.Config(**{**maps.from_original(shapes(single)), **usual})
    said = maps.to_diffusers(asdict(found))
    unlike = {k: (v, config.get(k)) for k, v in said.items() if k in config and not alike(v, config[k])}
    free = ("pad_token_id", "shift_factor", "decoder_start_token_id", "tie_word_embeddings", "is_gated_act")
    assert {k: v for k, v in unlike.items() if k not in free} == {}
    again, _ = built(name, said)
    assert shapes(again.state_dict()) == shapes(theirs.state_dict())
