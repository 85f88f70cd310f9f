"""What the recipe `emoji_pixels` is made of."""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import torch

from unnoise.core.clock import Scaled
from unnoise.core.denoiser import Denoiser
from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.core.model import Model
from unnoise.core.prediction import Data
from unnoise.core.schedule import Rectified
from unnoise.data.captions import Variants
from unnoise.data.pictures import Keep, Pictures, load
from unnoise.data.source import open_source
from unnoise.networks.dit import DiT, DiTConfig
from unnoise.networks.pixels import Pixels, PixelsConfig
from unnoise.recipes._heads import heads
from unnoise.recipes._heldout import held_out
from unnoise.recipes._started import started
from unnoise.recipes.emoji_pixels import EmojiPixels
from unnoise.spacings.uniform import Uniform
from unnoise.text._vocabulary import learn
from unnoise.text.transformer import TransformerConditioner, TransformerConfig
from unnoise.train.objectives.denoising import Denoising
from unnoise.train.optimizers import Optimizing
from unnoise.train.run import Run
from unnoise.train.subjects.diffusion import Diffusion
from unnoise.train.times import LogitNormal
from unnoise.train.weighting import Velocity

PATCH = 8

# What a picture is of is decided where it is nearly all noise: 64 x 64 pixels of one flat shape show through half noise
# at a glance. So times crowd towards noise (half of them above 0.77), as shifts for large pictures do.
TIMES = LogitNormal(1.2, 1.2)

# People ask for a thing by its name, so that is mostly what is learnt; a style's phrase says nothing when all share it.
CAPTIONS = Variants(name=0.75, styled=0.1, detailed=0.15, keywords=0.0)


def run(recipe: EmojiPixels, data: Path, device: str) -> Run:
    heads(recipe.width)  # what does not fit is said before anything is read
    if recipe.size < PATCH or recipe.size % PATCH:
        raise Refused(f"pictures of {recipe.size} pixels a side", f"a multiple of {PATCH}", "size")
    keep: Keep = lambda tags: _wanted(recipe, tags.get("style", ""), tags.get("group", ""))  # noqa: E731
    pictures = load(open_source(data), recipe.size, keep=keep)
    heldout = held_out(data, recipe.size, keep)
    model = (
        started(recipe.start, recipe.size, device, Pixels)
        if recipe.start
        else build(recipe, pictures, torch.device(device))
    )
    objective = Denoising(model.denoiser, model.conditioner, model.schedule, TIMES, Velocity(), torch.bfloat16)
    return Run(
        subject=Diffusion(model=model, objective=objective, previews=recipe.previews),
        pictures=pictures,
        heldout=heldout,
        steps=recipe.steps,
        batch=recipe.batch,
        seed=recipe.seed,
        optimizing=Optimizing(rate=recipe.rate, muon=recipe.muon),
        captions=CAPTIONS,
        flip=0.5,
        compiled=recipe.compiled,
    )


def build(recipe: EmojiPixels, pictures: Pictures, device: torch.device) -> Model:
    """An untrained model for these pictures, its weights a function of the recipe's seed."""
    torch.manual_seed(recipe.seed)
    vocabulary = learn(chain.from_iterable(_words(p) for p in zip(pictures.captions, pictures.tags, strict=True)), 2048)
    size = TransformerConfig(vocabulary=2048, depth=2)
    network = DiT(DiTConfig(patch=PATCH, width=recipe.width, depth=recipe.depth, heads=heads(recipe.width)))
    conditioner = TransformerConditioner(size, vocabulary, DiT.Condition)
    description = Description(
        name="emoji",
        family="native",
        title="emoji from words",
        width=recipe.size,
        height=recipe.size,
        multiple=PATCH,
        largest=4 * recipe.size,
        defaults={"steps": 20, "guidance": 4.0, "sampler": "heun"},
    )
    return Model(
        Denoiser(network, Data(), Scaled()).to(device),
        Rectified(),
        Uniform(),
        Pixels(PixelsConfig()),
        conditioner.to(device),
        description,
    )


def _wanted(recipe: EmojiPixels, style: str, group: str) -> bool:
    return (not style or style in recipe.styles) and group not in recipe.leave


def _words(picture: tuple[tuple[str, ...], Mapping[str, str]]) -> tuple[str, ...]:
    captions, tags = picture
    return (*captions, tags.get("keywords", ""))
