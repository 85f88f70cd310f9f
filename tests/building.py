"""What tests of networks and conditioners share: weights that are no longer zero, and a file there and back."""

from pathlib import Path

import torch
from torch import nn

from unnoise import load
from unnoise.core.clock import Scaled
from unnoise.core.denoiser import Denoiser
from unnoise.core.description import Description
from unnoise.core.model import Model
from unnoise.core.prediction import Flow
from unnoise.core.schedule import Rectified
from unnoise.families.native import export, parts
from unnoise.networks.pixels import Pixels, PixelsConfig
from unnoise.spacings.uniform import Uniform
from unnoise.text._vocabulary import learn
from unnoise.text.transformer import TransformerConditioner, TransformerConfig
from unnoise.weights.store import write_tensors

CAPTIONS = ("a red fox", "a blue bird in the snow", "two green apples", "the cat sat on the mat", "rocket, ship")


def stirred(module, scale=0.05, seed=0):
    """The same module, a little noise added to every parameter, so that no branch is nothing."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=random))
    return module


def drawn(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def reader(make, width=16, window=8):
    """A small text conditioner for a network's condition class."""
    torch.manual_seed(0)
    size = TransformerConfig(vocabulary=300, window=window, width=width, depth=2, heads=2)
    return TransformerConditioner(size, learn(CAPTIONS, 300), make)


def there_and_back(network: nn.Module, conditioner: nn.Module, folder: Path) -> tuple[Model, Model]:
    """A model of these two, and the one that its file gives."""
    channels = network.config.channels
    description = Description(name="small", family="native", width=16, height=16, multiple=8)
    codec = Pixels(PixelsConfig(channels=channels))
    model = Model(Denoiser(network, Flow(), Scaled()), Rectified(), Uniform(), codec, conditioner, description)
    tensors = {f"{p}.{n}": v for p, module in parts(model).items() for n, v in module.state_dict().items()}
    write_tensors(folder / "small.safetensors", *export(model, tensors, torch.float32))
    return model, load(str(folder / "small.safetensors"), device="cpu")
