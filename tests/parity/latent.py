"""Small and full-size models as diffusers builds them, for comparison with ours."""

import warnings
from types import ModuleType
from typing import Any

import pytest
import torch

CROSS = {True: "CrossAttn"}
FULL: dict[str, dict[str, Any]] = {
    "sd1": {"cross_attention_dim": 768},
    "inpainting": {"cross_attention_dim": 768, "in_channels": 9},
    "sd2": {"cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True},
    "sdxl": {
        "cross_attention_dim": 2048,
        "block_out_channels": (320, 640, 1280),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "use_linear_projection": True,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    "refiner": {
        "cross_attention_dim": 1280,
        "block_out_channels": (384, 768, 1536, 1536),
        "transformer_layers_per_block": 4,
        "attention_head_dim": (6, 12, 24, 24),
        "use_linear_projection": True,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2560,
    },
}
"""What the published config.json files say beside diffusers' defaults."""

_TEXT_TIME = {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 64, "cross_attention_dim": 24}
SMALL: dict[str, dict[str, Any]] = {
    "sd1": FULL["sd1"] | {"block_out_channels": (32, 64, 96, 96), "cross_attention_dim": 24},
    "inpainting": FULL["inpainting"] | {"block_out_channels": (32, 32, 64, 64), "cross_attention_dim": 16},
    "sd2": FULL["sd2"]
    | {"block_out_channels": (64, 128, 128, 128), "attention_head_dim": (1, 2, 2, 2), "cross_attention_dim": 24},
    "sdxl": FULL["sdxl"]
    | _TEXT_TIME
    | {
        "block_out_channels": (64, 64, 128),
        "transformer_layers_per_block": (1, 1, 3),
        "attention_head_dim": (1, 1, 2),
    },
    "refiner": FULL["refiner"]
    | _TEXT_TIME
    | {
        "block_out_channels": (64, 64, 128, 128),
        "transformer_layers_per_block": 2,
        "attention_head_dim": (1, 1, 2, 2),
    },
}
"""The same in small, with heads as wide as there, so that a single file's shapes say all of them."""


def diffusers() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of optional packages
        return pytest.importorskip("diffusers", reason="diffusers, the peer compared with, is not installed")


def sizes_told(config: Any, batch: int) -> dict[str, torch.Tensor] | None:
    """What diffusers wants beside the text, where the model is told of sizes."""
    if config.get("addition_embed_type") != "text_time":
        return None
    count = 5 if config["projection_class_embeddings_input_dim"] in (2560, 60) else 6
    width = config["projection_class_embeddings_input_dim"] - count * config["addition_time_embed_dim"]
    random = torch.Generator().manual_seed(3)
    ids = torch.randint(0, 1024, (batch, count), generator=random).float()
    return {"text_embeds": torch.randn(batch, width, generator=random), "time_ids": ids}


def as_pooled(told: dict[str, torch.Tensor] | None, width: int) -> torch.Tensor | None:
    """The same as one vector, each size as cosines and sines (Podell et al. 2023, section 2.2)."""
    if told is None:
        return None
    half = width // 2
    frequencies = 10000.0 ** (-torch.arange(half) / half)
    angles = told["time_ids"][..., None] * frequencies
    return torch.cat([told["text_embeds"], torch.cat([angles.cos(), angles.sin()], -1).flatten(1)], 1)
