"""Whole single files of every published family, as small as their code allows, with their tokenizers beside them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models

from building import stirred
from unnoise.networks.autoencoder_kl import AutoencoderKL, AutoencoderKLConfig
from unnoise.networks.clip_text import CLIPText, CLIPTextConfig
from unnoise.networks.flux import Flux, FluxConfig
from unnoise.networks.ldm_unet import LDMUNet, LDMUNetConfig
from unnoise.networks.mmdit import MMDiT, MMDiTConfig
from unnoise.networks.t5 import T5, T5Config
from unnoise.weights.maps import clip, flux, kl, ldm_unet, mmdit, t5

LETTERS = "abcdefghijklmnopqrstuvwxyz"
MARKS = ["!", "<|startoftext|>", "<|endoftext|>"]
T5_MARKS = ["<pad>", "</s>", "<unk>"]
KNOWN = len(MARKS) + 2 * len(LETTERS)
SMALL, LARGE = (
    AutoencoderKLConfig(widths=(32, 32), blocks=1),
    AutoencoderKLConfig(channels=16, widths=(32, 32), blocks=1, quant=False, post_quant=False),
)
L = CLIPTextConfig(vocabulary=KNOWN, positions=9, width=64, heads=1, hidden=32, depth=2)
G = CLIPTextConfig(vocabulary=KNOWN, positions=9, width=128, heads=2, hidden=32, depth=2, projection=128)
WORDS = T5Config(vocabulary=40, width=192, depth=1, heads=1, hidden=32)
UNET: dict[str, Any] = {"widths": (64, 64), "blocks": 1, "depths": (1, 0), "heads": (1, 1), "context": 64}
TALL = UNET | {"depths": (1, 1), "linear": True}


def tokenizers(folder: Path) -> tuple[Path, Path]:
    """One of CLIP's kind and one of T5's, for single letters."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [*MARKS, *LETTERS, *(letter + "</w>" for letter in LETTERS)]
    bpe = models.BPE(vocab={name: i for i, name in enumerate(letters)}, merges=[], end_of_word_suffix="</w>")
    (folder / "clip.json").write_text(Tokenizer(bpe).to_str(), encoding="utf-8")
    pieces = models.Unigram([(piece, -float(i)) for i, piece in enumerate([*T5_MARKS, *LETTERS])], 2)
    (folder / "t5.json").write_text(Tokenizer(pieces).to_str(), encoding="utf-8")
    return folder / "clip.json", folder / "t5.json"


def numbers(module: Any, names: Any, prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in names.theirs(stirred(module).state_dict()).items()}


def unet(**changes: Any) -> dict[str, torch.Tensor]:
    config = LDMUNetConfig(**UNET | changes)
    return numbers(LDMUNet(config), ldm_unet.original(config), "model.diffusion_model.")


def vae(config: AutoencoderKLConfig, prefix: str = "first_stage_model.") -> dict[str, torch.Tensor]:
    return numbers(AutoencoderKL(config), kl.original(config), prefix)


def text(config: CLIPTextConfig, variant: clip.Variant, prefix: str) -> dict[str, torch.Tensor]:
    return numbers(CLIPText(config), clip.original(config, variant), prefix)


def xxl(prefix: str = "text_encoders.t5xxl.transformer.") -> dict[str, torch.Tensor]:
    found = numbers(T5(WORDS), t5.original(WORDS), prefix)
    return found | {f"{prefix}encoder.embed_tokens.weight": found[f"{prefix}shared.weight"].clone()}


def transformer(guidance: bool) -> dict[str, torch.Tensor]:
    config = FluxConfig(width=128, heads=1, depth=1, singles=1, context=192, pooled=64, guidance=guidance)
    network = numbers(Flux(config), flux.original(config), "model.diffusion_model.")
    return network | vae(LARGE, "vae.") | text(L, "hf", "text_encoders.clip_l.transformer.") | xxl()


def sd3(**changes: Any) -> dict[str, torch.Tensor]:
    config = MMDiTConfig(width=64, depth=2, heads=1, context=192, pooled=192, positions=16, **changes)
    return numbers(MMDiT(config), mmdit.original(config), "model.diffusion_model.") | vae(LARGE)


CLIP_G, CLIP_L = "text_encoders.clip_g.transformer.", "text_encoders.clip_l.transformer."
MARK = {"v_pred": torch.zeros(1), "ztsnr": torch.zeros(1)}
XL = {"linear": True, "depths": (0, 1), "context": 192, "pooled": 128 + 6 * 8}
NARROW = XL | {"context": 128, "pooled": 128 + 5 * 8}
FAMILIES: dict[str, Callable[[], dict[str, torch.Tensor]]] = {
    "sd1": lambda: unet() | vae(SMALL) | text(L, "hf", "cond_stage_model.transformer."),
    "sd1 inpainting": lambda: unet(extra=5) | vae(SMALL) | text(L, "hf", "cond_stage_model.transformer."),
    "sd2": lambda: unet(**TALL) | vae(SMALL) | text(L, "open_clip", "cond_stage_model.model."),
    "sd2 marked": lambda: unet(**TALL) | vae(SMALL) | text(L, "open_clip", "cond_stage_model.model.") | MARK,
    "sdxl": lambda: (
        unet(**XL)
        | vae(SMALL)
        | text(L, "hf", "conditioner.embedders.0.transformer.")
        | text(G, "open_clip", "conditioner.embedders.1.model.")
    ),
    "sdxl refiner": lambda: unet(**NARROW) | vae(SMALL) | text(G, "open_clip", "conditioner.embedders.0.model."),
    "sd3": lambda: sd3() | text(L, "hf", CLIP_L) | text(G, "hf", CLIP_G) | xxl(),
    "sd3.5 medium": lambda: sd3(normed=True, dual=(0,)) | text(L, "hf", CLIP_L) | text(G, "hf", CLIP_G),
    "flux dev": lambda: transformer(True),
    "flux schnell": lambda: transformer(False),
}
"""By a family's name and its kind, the tensors of a single file."""


def single(kind: str, path: Path, dtype: torch.dtype = torch.float32) -> Path:
    """A single file of a kind."""
    torch.manual_seed(0)
    save_file({name: value.to(dtype).contiguous() for name, value in FAMILIES[kind]().items()}, path)
    return path
