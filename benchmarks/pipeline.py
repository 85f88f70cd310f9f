"""A pipeline of Stable Diffusion 1.5's size with random weights, as diffusers saves one."""

import gzip
import json
import warnings
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from unnoise.text._clip_files import MERGES, clip_words

SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 1,
}
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def saved(folder: Path, dtype: torch.dtype) -> Path:
    """The pipeline's folder, made where it is not there."""
    if (folder / "model_index.json").is_file():
        return folder
    warnings.simplefilter("ignore")  # diffusers' imports warn of optional packages
    diffusers, transformers = (import_module(name) for name in ("diffusers", "transformers"))
    four = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(cross_attention_dim=768)
        vae = diffusers.AutoencoderKL(**four, block_out_channels=(128, 256, 512, 512), layers_per_block=2)
        sizes = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
        text = transformers.CLIPTextModel(transformers.CLIPTextConfig(**sizes))
    for name, network, file in (
        ("unet", unet, "diffusion_pytorch_model"),
        ("vae", vae, "diffusion_pytorch_model"),
        ("text_encoder", text, "model"),
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
        config = json.loads(network.config.to_json_string() if name == "text_encoder" else network.to_json_string())
        named = {"architectures": [type(network).__name__]} if name == "text_encoder" else {}
        _table(folder / name / "config.json", config | named)
        save_file(_random(network, dtype), folder / name / f"{file}.safetensors", {"format": "pt"})
    _table(_in(folder / "scheduler") / "scheduler_config.json", SCHEDULER)
    _tokenizer(_in(folder / "tokenizer"))
    _table(folder / "model_index.json", INDEX)
    return folder


def _random(network: nn.Module, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    found = network.state_dict()
    shapes = {name: value.shape for name, value in found.items() if "position_ids" not in name}
    return {name: _drawn(shape, draw).to(dtype) for name, shape in shapes.items()}


def _drawn(shape: torch.Size, draw: torch.Generator) -> torch.Tensor:
    """Weights small enough that what goes through them stays in size; ones for norms' scales would do no better."""
    count = max(shape[1:].numel(), 1)
    return torch.randn(shape, generator=draw) * count**-0.5 if len(shape) > 1 else torch.ones(shape)


def _tokenizer(folder: Path) -> None:
    packed = Path(str(files("unnoise") / "text" / "bpe_simple_vocab_16e6.txt.gz"))
    lines = gzip.decompress(packed.read_bytes()).decode().split("\n")[1 : 1 + MERGES]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]), encoding="utf-8")
    _table(folder / "vocab.json", clip_words(packed).tokenizer.get_vocab())
    _table(folder / "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77})


def _in(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _table(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, default=list), encoding="utf-8")
