"""Pictures with their words, as a person looks at a training."""

from collections.abc import Sequence

from torch import Tensor

from unnoise.catalogue import library
from unnoise.core.event import Result
from unnoise.core.model import Model
from unnoise.media.sheet import sheet
from unnoise.tasks.generate import Generate

WIDTH = 128
"""Pixels that a picture is enlarged to, so that words fit above it."""

SHOWN = 24
"""Pictures of a batch that a sheet shows."""


def captioned(pictures: Sequence[Tensor], captions: Sequence[str], columns: int = 8) -> Tensor:
    """A sheet, uint8 (3, H, W), of pictures with a caption above each.

    Args:
        pictures: uint8 (C, h, w) of one size.
        captions: one a picture.
        columns: how many stand side by side.
    """
    scale = max(1, WIDTH // pictures[0].shape[-1])
    cells = [sheet([[p]], columns=[c or "(no caption)"], scale=scale) for p, c in zip(pictures, captions, strict=True)]
    return sheet([cells[i : i + columns] for i in range(0, len(cells), columns)])


def preview(model: Model, prompts: Sequence[str]) -> Tensor:
    """A sheet of what a model makes of prompts, number k with seed k, by the task that serves them."""
    found = library(models={"run": model})
    requests = [Generate(prompt=prompt, model="run", seed=seed) for seed, prompt in enumerate(prompts)]
    results = [event for request in requests for event in request.run(found) if isinstance(event, Result)]
    return captioned([result.pixels for result in results], prompts)
