"""From a picture to a larger one: progress a tile, then the result with its record."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.core.event import Event, Progress, Result
from unnoise.core.model import Enlarging, Library
from unnoise.core.state import Paused
from unnoise.core.version import __version__
from unnoise.media.image import pixels_sha256
from unnoise.media.record import Record
from unnoise.tasks._enlarge import Step, enlarge
from unnoise.tasks._plan import json_request
from unnoise.tasks._work import EPOCH

if TYPE_CHECKING:
    from unnoise.tasks.upscale import Upscale


def upscaled(task: "Upscale", pixels: Tensor, library: Library) -> Iterator[Event]:
    """Run the task on its picture, uint8 (3 or 4, H, W)."""
    found, began = library.upscaler(task.model), time.perf_counter()
    step = Step(0, 0, pixels)
    for step in enlarge(found.network, pixels, task.scale):
        yield Progress(0, step.done, step.count, None, _shown(step), _unpaused)
    made = record(task, found, step.pixels, library)
    yield Result(0, 0, step.pixels, time.perf_counter() - began, made, None)


def record(task: "Upscale", found: Enlarging, pixels: Tensor, library: Library) -> Record:
    """How this picture was made: of a given one, so it is called a composite."""
    parameter = next(found.network.parameters())
    return Record(
        task="upscale",
        request=json_request(task),
        model=found.name,
        files=found.files,
        seed=0,
        levels=(),
        sampler="",
        spacing="",
        guidance="",
        width=int(pixels.shape[-1]),
        height=int(pixels.shape[-2]),
        versions={"unnoise": __version__, "torch": torch.__version__},
        device=parameter.device.type,
        dtype=str(parameter.dtype).removeprefix("torch."),
        exact=library.exact,
        epoch=EPOCH,
        pixels=pixels_sha256(pixels),
        composite=True,
        notes=(f"it is a given picture, {task.scale} times as large",),
    ).sealed()


def _shown(step: Step) -> Callable[[], Tensor]:
    return partial(Tensor.clone, step.pixels)


def _unpaused() -> Paused:
    raise Refused("an enlargement cannot be paused", "let it finish", "state")
