"""A tiny model of SD 1's kind with ControlNets for it, in files as others publish them."""

from pathlib import Path

import torch
from torch import Tensor, nn

from unnoise.media.image import save
from unnoise.networks.autoencoder_kl import AutoencoderKL, AutoencoderKLConfig
from unnoise.networks.clip_text import CLIPText, CLIPTextConfig
from unnoise.networks.controlnet import ControlNet, ControlNetConfig
from unnoise.networks.ldm_unet import LDMUNet, LDMUNetConfig
from unnoise.weights.maps import clip, controlnet, kl, ldm_unet
from unnoise.weights.store import write_tensors

UNET = LDMUNetConfig(widths=(32, 64), blocks=1, depths=(1, 0), heads=(8, 8), context=32)
NET = ControlNetConfig(**vars(UNET), hint=(4, 8, 12, 16))
KL = AutoencoderKLConfig(widths=(32,) * 4, blocks=1)
TEXT = CLIPTextConfig(width=32, depth=1, heads=1, hidden=32)


def random(module: nn.Module, seed: int) -> nn.Module:
    """The module with numbers in it that matter."""
    draw = torch.Generator().manual_seed(seed)
    for value in module.parameters():
        spread = 0.1 if value.ndim < 2 else value[0].numel() ** -0.5
        value.data = torch.randn(value.shape, generator=draw) * spread + (value.ndim < 2)
    return module


def sd1(path: Path) -> Path:
    """A single file of the whole model."""
    held = {
        "model.diffusion_model.": ldm_unet.original(UNET).theirs(random(LDMUNet(UNET), 1).state_dict()),
        "first_stage_model.": kl.original(KL).theirs(random(AutoencoderKL(KL), 2).state_dict()),
        "cond_stage_model.transformer.": clip.original(TEXT, "hf").theirs(random(CLIPText(TEXT), 3).state_dict()),
    }
    write_tensors(path, {prefix + name: v for prefix, its in held.items() for name, v in its.items()}, {})
    return path


def tensors(config: ControlNetConfig = NET, seed: int = 4) -> dict[str, Tensor]:
    """A ControlNet's, by the original's names."""
    found = controlnet.original(config).theirs(random(ControlNet(config), seed).state_dict())
    return {f"control_model.{name}": value for name, value in found.items()}


def net(path: Path, config: ControlNetConfig = NET, seed: int = 4) -> Path:
    """A ControlNet's single file."""
    write_tensors(path, tensors(config, seed), {})
    return path


def picture(path: Path, seed: int = 0, width: int = 64, height: int = 64) -> Path:
    """A picture of noise, marked as nothing."""
    drawn = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    save(path, drawn)
    return path
