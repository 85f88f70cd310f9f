"""What the recipe `emoji_codec` is made of."""

from dataclasses import replace
from pathlib import Path

import torch

from unnoise import catalogue
from unnoise.core.error import Refused
from unnoise.data.pictures import Gallery, Pictures, load
from unnoise.data.scenes.gallery import Scenes
from unnoise.data.scenes.sprites import Shelf
from unnoise.data.source import open_source
from unnoise.data.workers import spare
from unnoise.networks import CODECS
from unnoise.networks.autoencoder import Autoencoder, AutoencoderConfig
from unnoise.recipes._heldout import held_out
from unnoise.recipes.emoji_codec import EmojiCodec
from unnoise.train.objectives.codec import Coding, Critic
from unnoise.train.optimizers import Optimizing
from unnoise.train.run import Run
from unnoise.train.subjects.codec import Codec
from unnoise.weights.parts import read_part

SHOWN = 128


def run(recipe: EmojiCodec, data: Path, device: str) -> Run:
    _check(recipe)  # what does not fit is said before anything is read
    optimizing, where = Optimizing(rate=recipe.rate), torch.device(device)
    torch.manual_seed(recipe.seed)
    codec = started(recipe, device) if recipe.start else Autoencoder(_config(recipe))
    critic = Critic().to(where) if recipe.critic else None
    pictures = learnt(recipe, data)
    heldout = held_out(data, recipe.size, captionless=True)
    objective = Coding(
        codec=codec.to(where),
        jitter=recipe.jitter,
        crop=recipe.crop,
        critic=critic,
        autocast=torch.bfloat16,
    )
    return Run(
        subject=Codec(title=f"emoji of {recipe.size} pixels", objective=objective, shown=shown(pictures)),
        pictures=pictures,
        heldout=heldout and _coloured(heldout),
        steps=recipe.steps,
        batch=recipe.batch,
        seed=recipe.seed,
        optimizing=optimizing,
        flip=0.5,
        stored=torch.bfloat16,
        compiled=recipe.compiled,
    )


def started(recipe: EmojiCodec, device: str) -> Autoencoder:
    """The codec the recipe goes on from, its weights float32.

    Raises:
        Refused: it is no autoencoder of these sizes.
    """
    path = catalogue.find(str(recipe.start))
    codec = read_part(path, "codec", CODECS, catalogue.place(device, "float32"))
    if not isinstance(codec, Autoencoder) or codec.config != _config(recipe):
        raise Refused(f"the codec of '{recipe.start}' has other sizes", "start from one that has these", "start")
    return codec


def _check(recipe: EmojiCodec) -> None:
    multiple = _config(recipe).scale
    if recipe.size < multiple or recipe.size % multiple:
        raise Refused(f"pictures of {recipe.size} pixels a side", f"a multiple of {multiple}", "size")
    if recipe.crop < 0 or recipe.crop % multiple:
        raise Refused(f"crops of {recipe.crop} pixels a side", f"a multiple of {multiple}, or 0 for none", "crop")
    if recipe.batch == 1 and (recipe.crop or recipe.size) == multiple:  # its latents are normalised by the batch
        raise Refused("a step of a single latent", "take a larger batch, or larger crops", "batch")


def _config(recipe: EmojiCodec) -> AutoencoderConfig:
    return AutoencoderConfig(channels=recipe.channels, widths=recipe.widths)


def learnt(recipe: EmojiCodec, data: Path) -> Gallery:
    """Scenes of everything there is in the set, or its pictures as they are."""
    if not recipe.scenes:
        return _coloured(load(open_source(data, captionless=True), recipe.size))
    shelf = Shelf(data, leave=())
    return Scenes(shelf=shelf, size=recipe.size, count=recipe.scenes, seed=recipe.seed, workers=spare())


def _coloured(pictures: Pictures) -> Pictures:
    """The same in three channels, be they grey."""
    return replace(pictures, images=pictures.images.expand(-1, 3, -1, -1))


def shown(pictures: Gallery) -> torch.Tensor:
    """Some from all over the set, since neighbours are alike."""
    every = list(range(0, len(pictures), max(1, len(pictures) // SHOWN)))[:SHOWN]
    return next(pictures.gather([every]))[1]
