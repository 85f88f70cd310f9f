"""Small models to put adapters on, and files of adapters in several dialects."""

from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from unnoise.adapters.layers import Part
from unnoise.core.clock import Scaled
from unnoise.core.denoiser import Denoiser
from unnoise.core.description import Description
from unnoise.core.model import Model
from unnoise.core.prediction import Epsilon
from unnoise.core.schedule import Rectified
from unnoise.networks.clip_text import CLIPText, CLIPTextConfig
from unnoise.networks.flux import Flux, FluxConfig
from unnoise.networks.ldm_unet import LDMUNet, LDMUNetCondition, LDMUNetConfig
from unnoise.networks.mmdit import MMDiT, MMDiTConfig
from unnoise.networks.pixels import Pixels, PixelsConfig
from unnoise.spacings.uniform import Uniform
from unnoise.weights.store import write_tensors

UNET = LDMUNetConfig(widths=(32, 64), depths=(1, 0), heads=(2, 2), context=24, blocks=1)
TEXT = CLIPTextConfig(vocabulary=60, positions=12, width=24, depth=2, heads=2, hidden=40)
FULL: dict[str, Any] = {
    "sd1": (LDMUNet, LDMUNetConfig()),
    "sdxl": (
        LDMUNet,
        LDMUNetConfig(
            widths=(320, 640, 1280), depths=(0, 2, 10), middle=10, heads=(5, 10, 20), context=2048, linear=True
        ),
    ),
    "sd3": (MMDiT, MMDiTConfig()),
    "flux": (Flux, FluxConfig()),
    "clip": (CLIPText, CLIPTextConfig()),
}
"""Networks as large as the published ones."""
TO_Q = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
CONV = "down_blocks.0.resnets.0.conv1"


class Reader(nn.Module):
    """What of a conditioner an adapter sees: its encoders."""

    def __init__(self, *encoders: nn.Module) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)

    def forward(self, ids: Tensor) -> list[Tensor]:
        return [encoder.states(ids) for encoder in cast(Any, self.encoders)]


@cache
def meta(name: str) -> Part:
    """A full-size network without memory."""
    kind, config = FULL[name]
    with torch.device("meta"):
        return Part(kind(config))


def holding(network: nn.Module, *encoders: nn.Module) -> Model:
    """A model of this network and these text encoders."""
    reader = Reader(*encoders)
    for module in (network, reader):
        module.requires_grad_(False).eval()
    return Model(
        Denoiser(network, Epsilon(), Scaled()),
        Rectified(),
        Uniform(),
        cast(Any, Pixels(PixelsConfig())),
        cast(Any, reader),
        Description(name="small", family="sd1", width=64, height=64, multiple=8),
    )


def model(encoders: int = 1) -> Model:
    """A U-Net shaped as SD 1's, with random weights, and so many text encoders."""
    torch.manual_seed(0)
    network, texts = LDMUNet(UNET), [CLIPText(TEXT) for _ in range(encoders)]
    for parameter in (p for module in (network, *texts) for p in module.parameters()):
        torch.nn.init.normal_(parameter, std=0.1)
    return holding(network, *texts)


@torch.no_grad()
def output(model: Model) -> Tensor:
    """What the network makes of something."""
    random = torch.Generator().manual_seed(1)
    x, context = torch.randn(1, 4, 8, 8, generator=random), torch.randn(1, 5, 24, generator=random)
    return model.denoiser.network(x, torch.tensor([300.0]), LDMUNetCondition(context=context))


@torch.no_grad()
def text(model: Model) -> list[Tensor]:
    """What the text encoders make of something."""
    return cast(Any, model.conditioner)(torch.arange(8)[None])


def pair(name: str, out: int, inner: int, rank: int = 4, ends: tuple[str, str] = ("lora_down", "lora_up")) -> Any:
    """The two tensors of a LoRA of a linear layer."""
    random = torch.Generator().manual_seed(sum(name.encode()))
    down, up = torch.randn(rank, inner, generator=random), torch.randn(out, rank, generator=random)
    return {f"{name}.{ends[0]}.weight": down * 0.2, f"{name}.{ends[1]}.weight": up * 0.2}


def write(folder: Path, tensors: dict[str, Tensor], name: str = "style", **metadata: str) -> Path:
    path = folder / f"{name}.safetensors"
    write_tensors(path, tensors, {"format": "pt"} | metadata)
    return path
