"""A small upscaler for tests: random weights that add a good deal to a bicubic enlargement, and its file."""

from pathlib import Path

import torch

from unnoise.networks.upscaler import Upscaler, UpscalerConfig
from unnoise.weights.parts import export_parts
from unnoise.weights.store import write_tensors


def network(seed: int = 0, **changes: int) -> Upscaler:
    torch.manual_seed(seed)
    made = Upscaler(UpscalerConfig(**{"width": 8, "blocks": 1, **changes}))
    for parameter in made.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return made.requires_grad_(False).eval()


def written(path: Path, seed: int = 0, **changes: int) -> Path:
    """The file of such a network."""
    write_tensors(path, *export_parts({"upscaler": network(seed, **changes)}, torch.float32, {"title": "tiny"}))
    return path


def picture(height: int = 20, width: int = 30, channels: int = 3) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (channels, height, width), generator=random, dtype=torch.uint8)
