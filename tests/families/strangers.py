"""Folders and files of other programs, as small as describing them allows: settings, names and shapes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from unnoise.weights.store import write_tensors

INDEX: dict[str, Any] = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.1",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
}
UNET: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 64,
    "cross_attention_dim": 768,
    "in_channels": 4,
}
VAE: dict[str, Any] = {"_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512]}
TEXT: dict[str, Any] = {"architectures": ["CLIPTextModel"], "hidden_size": 768}
SCHEDULER: dict[str, Any] = {
    "_class_name": "PNDMScheduler",
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "clip_sample": False,
    "trained_betas": None,
}


def folder(path: Path) -> Path:
    """A pipeline's folder of SD 1's kind; its weights are one number each."""
    put(path / "model_index.json", INDEX)
    put(path / "unet" / "config.json", UNET)
    put(path / "vae" / "config.json", VAE)
    put(path / "text_encoder" / "config.json", TEXT)
    put(path / "scheduler" / "scheduler_config.json", SCHEDULER)
    for name in ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"):
        tensors(path / f"{name}.safetensors", {"conv_in.weight": (1,)})
    return path


def put(path: Path, said: Any) -> None:
    """JSON, or a text as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(said if isinstance(said, str) else json.dumps(said), encoding="utf-8")


def tensors(path: Path, shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None) -> Path:
    """A file of zeros in half precision."""
    held = {name: torch.zeros(shape, dtype=torch.float16) for name, shape in shapes.items()}
    write_tensors(path, held, metadata or {})
    return path


def unet_shapes(linear: bool = False, pooled: int = 0, context: int = 16, inner: int = 4) -> dict[str, tuple[int, ...]]:
    """A U-Net's names and shapes, as single files have them, in so far as they tell what it is."""
    shapes: dict[str, tuple[int, ...]] = {
        "input_blocks.0.0.weight": (8, inner, 1, 1),
        "middle_block.1.proj_in.weight": (8, 8) if linear else (8, 8, 1, 1),
        "middle_block.1.transformer_blocks.0.attn2.to_k.weight": (8, context),
        "out.2.weight": (4, 8, 1, 1),
    }
    return shapes | ({"label_emb.0.0.weight": (8, pooled)} if pooled else {})


def within(prefix: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {prefix + name: shape for name, shape in shapes.items()}


VAE_SHAPES: dict[str, tuple[int, ...]] = {
    "encoder.conv_in.weight": (8, 3, 1, 1),
    "decoder.conv_in.weight": (8, 4, 1, 1),
    "encoder.down.0.block.0.conv1.weight": (8, 8, 1, 1),
    "encoder.down.1.block.0.conv1.weight": (8, 8, 1, 1),
}
HF = {"text_model.embeddings.token_embedding.weight": (9, 768)}
OPEN = {"token_embedding.weight": (9, 1024), "positional_embedding": (7, 1024)}
MMDIT: dict[str, tuple[int, ...]] = {
    "x_embedder.proj.weight": (64, 16, 2, 2),
    "pos_embed": (1, 64, 64),
    "context_embedder.weight": (64, 32),
    "y_embedder.mlp.0.weight": (64, 32),
    "joint_blocks.0.x_block.attn.qkv.weight": (192, 64),
    "final_layer.linear.weight": (64, 64),
}
FLUX: dict[str, tuple[int, ...]] = {
    "img_in.weight": (128, 64),
    "txt_in.weight": (128, 32),
    "vector_in.in_layer.weight": (128, 16),
    "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
    "double_blocks.0.img_attn.qkv.weight": (384, 128),
    "double_blocks.0.img_mlp.0.weight": (512, 128),
    "single_blocks.0.linear2.weight": (128, 640),
    "final_layer.linear.weight": (64, 128),
}
