"""ControlNets put onto a model, with the pictures that they look at. The model itself stays as it is.

Pictures of another size are brought to the one that is drawn, stretched where its shape is another, by Lanczos: the
rule of diffusers' pipelines. What is transparent in them counts as its colour.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from unnoise.adapters.control import WantedControl
from unnoise.adapters.controlnet import ControlFile
from unnoise.core.condition import Condition
from unnoise.core.denoiser import Denoiser, computed, device_of
from unnoise.core.error import Refused
from unnoise.core.model import Conditioner, Model, Wish
from unnoise.core.trajectory import Trajectory
from unnoise.media.image import resized
from unnoise.networks.controlnet import Control, Controlled, between
from unnoise.networks.ldm_unet import LDMUNet
from unnoise.weights.place import Place


@dataclass(frozen=True)
class Given:
    """A ControlNet for a run.

    Args:
        file: the ControlNet.
        picture: uint8 (3 or 4, H, W).
        wanted: how strongly it counts, and when.
    """

    file: ControlFile
    picture: Tensor
    wanted: WantedControl


def controlled(model: Model, given: Sequence[Given], trajectory: Trajectory, width: int, height: int) -> Model:
    """The model with ControlNets, for pictures of one size and runs along a trajectory.

    Raises:
        Refused: the model has no U-Net that they act on, one of them is for another model, or acts in no step.
    """
    denoiser = model.denoiser
    if not isinstance(denoiser.network, LDMUNet):
        what = f"the network of '{model.description.name}', a {type(denoiser.network).__name__}, takes no ControlNet"
        raise Refused(what, "take a Stable Diffusion 1, 2 or XL model, or leave --control out", "control")
    controls = [_control(model, each, trajectory) for each in given]
    pictures = torch.stack([resized(each.picture[:3], width, height) for each in given]).float() / 255
    network = Controlled(denoiser.network, controls)
    return replace(
        model,
        denoiser=Denoiser(network, denoiser.prediction, denoiser.clock),
        conditioner=Showing(model.conditioner, pictures[None].to(device_of(denoiser))),
    )


def _control(model: Model, given: Given, trajectory: Trajectory) -> Control:
    unet, wanted = cast(LDMUNet, model.denoiser.network), given.wanted
    place = Place(device_of(unet), computed(unet), given.file.memory)
    network = given.file.network(unet.config, place)
    if network.config.scale != model.codec.scale:
        what = f"the ControlNet '{wanted.name[:60]}' looks at {network.config.scale} pixels a cell"
        raise Refused(what, f"this model draws {model.codec.scale}; use one that was made for it", "control")
    return Control(network, wanted.weight, between(trajectory, model.denoiser.clock, wanted.start, wanted.end))


class Showing(nn.Module):
    """A conditioner whose conditions also hold pictures for ControlNets.

    Args:
        inner: the conditioner of words.
        pictures: (1, K, 3, H, W) in [0, 1].
    """

    pictures: Tensor

    def __init__(self, inner: Conditioner, pictures: Tensor) -> None:
        super().__init__()
        self.inner = cast(nn.Module, inner)
        self.register_buffer("pictures", pictures, persistent=False)

    def prepare(self, wishes: Sequence[Wish]) -> Any:
        told = torch.tensor([not wish.negative for wish in wishes], device=self.pictures.device)
        return cast(Conditioner, self.inner).prepare(wishes), told

    def forward(self, tokens: Any) -> Condition:
        inner, positive = tokens
        found: Any = self.inner(inner)
        return replace(found, control=self.pictures.expand(len(positive), -1, -1, -1, -1), positive=positive)
