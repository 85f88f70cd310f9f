"""What the recipe `emoji` is made of."""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import cast

import torch
from torch import nn

from unnoise import catalogue
from unnoise.core.clock import Scaled
from unnoise.core.denoiser import Denoiser
from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.core.home import home
from unnoise.core.model import Codec, Model
from unnoise.core.prediction import Data
from unnoise.core.schedule import Rectified
from unnoise.data.latents import Latents, latents, name_of
from unnoise.data.scenes.gallery import Scenes
from unnoise.data.scenes.scene import Mix
from unnoise.data.scenes.sprites import Shelf, cut
from unnoise.data.workers import spare
from unnoise.networks import CODECS
from unnoise.networks.autoencoder import Autoencoder
from unnoise.networks.dit import DiT, DiTConfig
from unnoise.recipes._heads import heads
from unnoise.recipes._heldout import held_out
from unnoise.recipes._started import regrown, started
from unnoise.recipes.emoji import Emoji
from unnoise.spacings.uniform import Uniform
from unnoise.text._vocabulary import learn
from unnoise.text.transformer import TransformerConditioner, TransformerConfig
from unnoise.train.objectives.denoising import Denoising
from unnoise.train.optimizers import Optimizing
from unnoise.train.run import Every, Run, check_pieces
from unnoise.train.subjects.diffusion import Diffusion
from unnoise.train.times import LogitNormal
from unnoise.train.weighting import Velocity
from unnoise.weights.parts import read_part

CODEC = "emoji_codec"
PATCH = 2
WORDS = 4096
READ = 20_000
"""Scenes whose captions the vocabulary is learnt from."""

# What a picture is of is decided early, and people look at that first; yet latents show less through noise than pixels.
TIMES = LogitNormal(0.6, 1.1)


def run(recipe: Emoji, data: Path, device: str) -> Run:
    heads(recipe.width)  # what does not fit is said before anything is read
    optimizing = Optimizing(rate=recipe.rate, muon=recipe.muon)
    check_pieces(recipe.batch, recipe.pieces)
    where = torch.device(device)
    scenes = scenes_of(recipe, data)  # data that are not there are said first
    if recipe.start and (recipe.codec or recipe.trunk):
        other = "codec" if recipe.codec else "trunk"
        raise Refused(f"a model that is gone on from has its own {other}", f"leave out --{other}", other)
    model = (
        started(recipe.start, recipe.size, device, Autoencoder)
        if recipe.start
        else build(recipe, scenes, _codec(recipe.codec or CODEC, recipe.size, device), where)
    )
    objective = Denoising(model.denoiser, model.conditioner, model.schedule, TIMES, Velocity(), torch.bfloat16)
    return Run(
        subject=Diffusion(model=model, objective=objective, previews=recipe.previews),
        pictures=encoded(recipe, scenes, model.codec, where),
        heldout=held_out(data, recipe.size, scenes.shelf.keeps),
        steps=recipe.steps,
        batch=recipe.batch,
        pieces=recipe.pieces,
        seed=recipe.seed,
        optimizing=optimizing,
        every=Every(snapshot=500),  # some half an hour on two cores
        compiled=recipe.compiled,
        stored=torch.bfloat16,
    )


def scenes_of(recipe: Emoji, data: Path) -> Scenes:
    """What it learns from."""
    shelf = Shelf(data, styles=recipe.styles, leave=recipe.leave)
    return Scenes(
        shelf=shelf,
        size=recipe.size,
        count=recipe.scenes,
        seed=recipe.seed,
        mix=replace(_mix(recipe), house=_house(recipe, cut(shelf).styles)),
        workers=spare(),
    )


def encoded(recipe: Emoji, scenes: Scenes, codec: Codec, where: torch.device) -> Latents:
    """The scenes' latents, kept from run to run; on an accelerator they stay there."""
    folder = recipe.latents or home() / "cache" / "latents"
    file = folder / name_of(cast(nn.Module, codec), scenes, told_of(scenes))
    found = replace(latents(scenes, codec, where, file), broken=scenes.broken)
    return found if where.type == "cpu" else found.to(where)


def told_of(scenes: Scenes) -> str:
    """All that the scenes' pictures follow from, their things to the pixel."""
    things = cut(scenes.shelf).all
    known = [(s.name, s.style, s.colour, s.hints, s.tints, s.corner, s.pixels.shape) for s in things]
    pixels = hashlib.sha256()
    for sprite in things:
        pixels.update(sprite.pixels.tobytes())
    return repr((known, pixels.hexdigest(), asdict(scenes.mix), scenes.size, scenes.count, scenes.seed))


def build(recipe: Emoji, scenes: Scenes, codec: Codec, device: torch.device) -> Model:
    """An untrained model of these scenes, its weights a function of the recipe's seed."""
    torch.manual_seed(recipe.seed)
    if recipe.trunk:
        network, conditioner = regrown(recipe.trunk, codec.channels, PATCH)
    else:
        sizes = DiTConfig(
            channels=codec.channels, patch=PATCH, width=recipe.width, depth=recipe.depth, heads=heads(recipe.width)
        )
        network, vocabulary = DiT(sizes), learn(_said(scenes), WORDS)
        conditioner = TransformerConditioner(TransformerConfig(vocabulary=WORDS, depth=3), vocabulary, DiT.Condition)
    multiple = PATCH * codec.scale
    description = Description(
        name="emoji",
        family="native",
        title="emoji and small scenes from words",
        width=recipe.size,
        height=recipe.size,
        multiple=multiple,
        largest=4 * recipe.size,
        defaults={"steps": 20, "guidance": 4.0, "sampler": "dpmpp_2m"},
    )
    return Model(
        Denoiser(network, Data(), Scaled()).to(device),
        Rectified(),
        Uniform(),
        codec,
        conditioner.to(device),
        description,
    )


def _codec(name: str, size: int, device: str) -> Codec:
    try:
        path = catalogue.find(name)
    except Refused as error:
        raise Refused(
            f"no codec: {error}", "train one by the recipe 'emoji_codec', or name its file", "codec"
        ) from None
    codec = read_part(path, "codec", CODECS, catalogue.place(device, "float32"))
    if not isinstance(codec, Autoencoder):
        raise Refused(f"'{name}' holds no codec that makes latents", "name one of emoji_codec's", "codec")
    multiple = PATCH * codec.scale
    if size < multiple or size % multiple:
        raise Refused(f"scenes of {size} pixels a side", f"with this codec a multiple of {multiple}", "size")
    return codec


def _mix(recipe: Emoji) -> Mix:
    """The kinds of scenes, what is alone having its share; the others keep theirs among themselves."""
    if not 0 <= recipe.alone <= 1:
        raise Refused(f"a share of {recipe.alone:g} alone", "from 0 to 1", "alone")
    usual = Mix()
    kinds = ("placed", "counted", "pair", "row")
    rest = sum(getattr(usual, kind) for kind in kinds)
    shares = {kind: getattr(usual, kind) * (1 - recipe.alone) / rest for kind in kinds}
    return replace(usual, alone=recipe.alone, **shares)


def _house(recipe: Emoji, drawn: Collection[str]) -> str:
    """The style that a prompt need not name, of those that are drawn."""
    if recipe.house and recipe.house not in drawn:
        raise Refused(f"no picture has the style '{recipe.house}'", f"name one of {', '.join(sorted(drawn))}", "house")
    return recipe.house or next((style for style in recipe.styles if style in drawn), "")


def _said(scenes: Scenes) -> Iterator[str]:
    """Captions of scenes, and the names and keywords of every thing there is."""
    some = (scenes.captions[k] for k in range(min(READ, len(scenes))))
    known = ((sprite.name, *sprite.keywords) for sprite in cut(scenes.shelf).all)
    return chain.from_iterable(chain(some, known))
