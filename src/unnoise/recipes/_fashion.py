"""What the Fashion-MNIST recipes share: the data, the network and the run. They differ in their method alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from unnoise.core.clock import Clock
from unnoise.core.denoiser import Denoiser
from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.core.model import Model
from unnoise.core.prediction import Prediction
from unnoise.core.sampler import Spacing
from unnoise.core.schedule import Schedule
from unnoise.data.pictures import load
from unnoise.data.source import Source, items, open_source
from unnoise.networks.pixels import Pixels, PixelsConfig
from unnoise.networks.unet import UNet, UNetConfig
from unnoise.recipes._clothes import Clothes
from unnoise.recipes._heldout import held_out
from unnoise.text.labels import Labels, LabelsConfig
from unnoise.train.objectives.denoising import Denoising
from unnoise.train.optimizers import Optimizing
from unnoise.train.run import Run
from unnoise.train.subjects.diffusion import Diffusion
from unnoise.train.times import Times

SIZE = 28  # the pictures' own; the network halves it twice, to 7
HELDOUT = 1024  # pictures of the held-out part: all 10,000 would take longer than the steps between two looks


@dataclass(frozen=True, kw_only=True)
class Method:
    """What tells one recipe from another.

    Args:
        name, title: what the model is called, in a word and in a line.
        prediction, clock, schedule, times: of the training.
        spacing: the model's own.
        defaults: what sampling starts from, about the same number of network calls for each method.
    """

    name: str
    title: str
    prediction: Prediction
    clock: Clock
    schedule: Schedule
    times: Times
    spacing: Spacing
    defaults: Mapping[str, str | int | float]


def run(recipe: Clothes, method: Method, device: str) -> Run:
    """The run of a method.

    Raises:
        Refused: no data are named, or they are not there.
    """
    if recipe.data is None:
        raise Refused(
            f"the recipe '{method.name}' needs its pictures",
            "--data DIR, a folder with Fashion-MNIST's four files (train-images-idx3-ubyte.gz, "
            "train-labels-idx1-ubyte.gz and the two of t10k; MIT licence, 30 MB), from "
            "https://github.com/zalandoresearch/fashion-mnist",
            "data",
        )
    source = open_source(recipe.data)
    pictures = load(source, SIZE, workers=0)  # raw bytes: nothing to decode
    model = build(recipe, method, classes(source), pictures.images.shape[1], torch.device(device))
    objective = Denoising(model.denoiser, model.conditioner, model.schedule, method.times, autocast=torch.bfloat16)
    return Run(
        subject=Diffusion(model=model, objective=objective, previews=model.description.classes),
        pictures=pictures,
        heldout=held_out(recipe.data, SIZE, most=HELDOUT),
        steps=recipe.steps,
        batch=recipe.batch,
        seed=recipe.seed,
        optimizing=Optimizing(rate=recipe.rate),
        compiled=recipe.compiled,
    )


def build(recipe: Clothes, method: Method, names: tuple[str, ...], channels: int, device: torch.device) -> Model:
    """An untrained class-conditional model, its weights a function of the recipe's seed and its sizes alone."""
    torch.manual_seed(recipe.seed)
    size = UNetConfig(
        channels=channels,
        width=recipe.width,
        multipliers=(1, 2, 4),
        blocks=1,
        attention=(4,),
        group_width=16,
        classes=len(names),
        resample="conv",
        rescale=False,
    )
    network = UNet(size)
    description = Description(
        name=method.name,
        family="native",
        title=method.title,
        width=SIZE,
        height=SIZE,
        multiple=UNet.multiple(size),
        largest=4 * SIZE,
        channels=channels,
        prompts="classes",
        classes=names,
        defaults=method.defaults,
    )
    return Model(
        Denoiser(network, method.prediction, method.clock).to(device),
        method.schedule,
        method.spacing,
        Pixels(PixelsConfig(channels=channels)),
        Labels(LabelsConfig(classes=names), "", UNet.Condition).to(device),
        description,
    )


def classes(source: Source) -> tuple[str, ...]:
    """The classes' names in the order of their labels: captions, one to each label."""
    named = {item.tags.get("label", ""): item.captions[0] for item in items(source) if item.captions}
    return tuple(named[label] for label in sorted(named, key=lambda text: (len(text), text)))
