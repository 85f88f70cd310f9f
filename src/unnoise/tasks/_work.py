"""What a run of pictures works on, the way each picture takes, and the record that tells of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from unnoise.core.denoiser import device_of
from unnoise.core.description import Description
from unnoise.core.model import Library, Model
from unnoise.core.state import Paused, State
from unnoise.core.trajectory import Trajectory
from unnoise.core.version import __version__
from unnoise.media.record import Mark, Record
from unnoise.tasks._adapt import files_of, told
from unnoise.tasks._bind import others
from unnoise.tasks._plan import UPSCALER, Plan, json_request
from unnoise.tasks._trail import mark
from unnoise.weights.int8 import stated

EPOCH = 1
"""The numerics epoch: it changes when any golden picture does, with the reason in the CHANGELOG."""

_OWN = ("model", "files", "seed", "sampler", "spacing", "guidance", "width", "height")
_PLACE = ("versions", "device", "dtype", "exact", "epoch")


@dataclass(frozen=True)
class Work:
    """A plan with its model, the levels it visits, and the paused run it goes on from, if any."""

    plan: Plan
    task: Any
    model: Model
    trajectory: Trajectory
    library: Library
    start: Paused | None = None

    @property
    def exact(self) -> bool:
        return self.library.exact

    @property
    def device(self) -> torch.device:
        return device_of(self.model.denoiser)


@dataclass(frozen=True)
class Way:
    """The way of one picture so far: the levels visited, and a mark of x after each step."""

    levels: tuple[tuple[float, float, float], ...]
    trail: tuple[Mark, ...] = ()

    @classmethod
    def begun(cls, state: State) -> Way:
        return cls((_numbers(state),))

    @classmethod
    def known(cls, earlier: Record) -> Way:
        """The way that a paused run's record tells of."""
        return cls(earlier.levels, earlier.trail)

    def on(self, state: State, k: int) -> Way:
        """One step further, for picture k of the state."""
        return Way((*self.levels, _numbers(state)), (*self.trail, mark(state.x[k])))


def weights(guidance: str, model: Description, library: Library, upscale: int = 1) -> dict[str, str]:
    """Every file of weights with a part in a picture -> its sha256: those of a guidance's other models, too, and of
    what enlarges it."""
    found = dict(model.files)
    if upscale > 1:
        found |= library.upscaler(UPSCALER).files
    for name in others(guidance):
        for file, digest in library.describe(name).files.items():
            found[file if found.get(file, digest) == digest else f"{name}/{file}"] = digest
    return found


def weights_now(earlier: Record, library: Library) -> dict[str, str]:
    """The files of weights that a record's picture would be made with here, by its models' names."""
    if earlier.task == "upscale":
        return dict(library.upscaler(earlier.model).files)
    upscale = earlier.request.get("upscale")
    times = upscale if isinstance(upscale, int) else 1
    found = weights(earlier.guidance, library.describe(earlier.model), library, times)
    lora, embedding, control = (told(earlier.request, field) for field in ("lora", "embedding", "control"))
    return found | files_of(lora, embedding, control, library)


def _numbers(state: State) -> tuple[float, float, float]:
    return float(state.level.t), float(state.level.alpha), float(state.level.sigma)


def record(work: Work, seed: int, way: Way, pixels: str) -> Record:
    """How this picture was made; `pixels` is their sha256, empty where it is not finished."""
    plan, network = work.plan, work.model.denoiser.network
    made = Record(
        task="generate",
        request=json_request(work.task) | {"seed": seed, "count": 1, "steps": plan.steps},
        model=work.model.description.name,
        files=weights(plan.guidance, work.model.description, work.library, plan.upscale)
        | files_of(plan.lora, plan.embedding, plan.control, work.library),
        seed=seed,
        levels=way.levels,
        sampler=plan.sampler,
        spacing=plan.spacing,
        guidance=plan.guidance,
        width=plan.width,
        height=plan.height,
        versions={"unnoise": __version__, "torch": torch.__version__},
        device=device_of(network).type,
        dtype=stated(network),
        exact=work.exact,
        reading=work.model.description.reading,
        epoch=EPOCH,
        pixels=pixels,
        trail=way.trail,
    )
    return (made if work.start is None else _continued(made, work.start)).sealed()


def _continued(made: Record, start: Paused) -> Record:
    """The record of a picture that another run began: the straight run's own where nothing was changed."""
    earlier: Record = start.record
    moved = [name for name in _PLACE if getattr(made, name) != getattr(earlier, name)]
    if not moved and _asked(made) == _asked(earlier):
        return replace(made, request=earlier.request, past=earlier.past, notes=earlier.notes)
    leg = {"request": earlier.request, "until": start.state.step}
    notes = list(earlier.notes)
    if moved:
        notes.append(f"its first {start.state.step} steps were computed elsewhere: {', '.join(moved)} differed")
    return replace(made, past=(*earlier.past, leg), notes=tuple(notes))


def _asked(record: Record) -> list[Any]:
    """What a record's picture was asked to be, every default filled in."""
    free = {"start", "count", *_OWN}
    request = {k: v for k, v in record.request.items() if k not in free and v not in ("", None)}
    return [request, *(getattr(record, name) for name in _OWN)]
