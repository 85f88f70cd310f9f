"""A record and pictures for the tests of this folder."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from unnoise.media.record import Record

RECORD = Record(
    task="generate",
    request={"prompt": "a red fox", "negative": "blurry", "steps": 20},
    model="emoji",
    files={"emoji.safetensors": "0123456789abcdef" * 4},
    seed=5,
    levels=((1.0, 0.0, 1.0), (0.5, 0.5, 0.5), (0.0, 1.0, 0.0)),
    sampler="dpmpp_2m",
    spacing="karras",
    guidance="classifier_free:scale=7.5",
    width=40,
    height=30,
    versions={"unnoise": "0.1.0", "torch": "2.13.0"},
    device="cpu",
    dtype="float32",
    exact=False,
    epoch=1,
    pixels="f" * 64,
)


def asked(**request: Any) -> Record:
    """The record of another request."""
    return replace(RECORD, request=request)


def noise(channels: int = 3, height: int = 30, width: int = 40, seed: int = 0) -> Tensor:
    """A picture that no lossy format can hold."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (channels, height, width), generator=generator, dtype=torch.uint8)


def smooth(height: int = 30, width: int = 40) -> Tensor:
    """A picture that lossy formats hold well."""
    y = torch.linspace(0, 255, height)[:, None].expand(height, width)
    x = torch.linspace(0, 255, width)[None].expand(height, width)
    return torch.stack([x, y, 255 - x]).round().to(torch.uint8)
