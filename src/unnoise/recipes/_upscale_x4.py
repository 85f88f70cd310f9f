"""What the recipe `upscale_x4` is made of."""

from pathlib import Path

import torch

from unnoise.data.degradations import Degradations
from unnoise.data.pictures import Pictures, load
from unnoise.data.source import open_source
from unnoise.networks.upscaler import Upscaler, UpscalerConfig
from unnoise.recipes._heldout import held_out
from unnoise.recipes.upscale_x4 import UpscaleX4
from unnoise.train.objectives.upscaling import Upscaling
from unnoise.train.optimizers import Optimizing
from unnoise.train.run import Every, Run
from unnoise.train.subjects import upscaler as subject

SCALE = 4


def run(recipe: UpscaleX4, data: Path, device: str) -> Run:
    optimizing = Optimizing(rate=recipe.rate, decay=0.0)  # what does not fit is said before anything is read
    split = "train+extra" if recipe.extra else "train"
    pictures = load(open_source(data, split, captionless=True), recipe.size)
    heldout = held_out(data, recipe.size, captionless=True)
    torch.manual_seed(recipe.seed)
    media = int(pictures.images.shape[1])
    network = Upscaler(UpscalerConfig(scale=SCALE, media=media, width=recipe.width, blocks=recipe.blocks))
    objective = Upscaling(
        upscaler=network.to(device),
        degradations=Degradations(clean=recipe.clean),
        details=recipe.details,
        crop=recipe.crop,
        autocast=torch.bfloat16,
    )
    return Run(
        subject=subject.Upscaler(
            title=f"pictures {SCALE} times as large at one look",
            objective=objective,
            shown=_shown(heldout or pictures, recipe.previews),
        ),
        pictures=pictures,
        heldout=heldout,
        steps=recipe.steps,
        batch=recipe.batch,
        seed=recipe.seed,
        optimizing=optimizing,
        flip=0.5,
        every=Every(snapshot=250),
        compiled=recipe.compiled,
        stored=torch.bfloat16,
    )


def _shown(pictures: Pictures, count: int) -> torch.Tensor | None:
    """Pictures from all over a set; None for none."""
    count = min(count, len(pictures))
    return pictures.images[torch.arange(count) * len(pictures) // count] if count > 0 else None
