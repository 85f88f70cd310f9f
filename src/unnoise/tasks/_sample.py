"""From a plan to pictures: one sampler run, decode and result for each group of pictures."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unnoise.core.event import Event, Progress, Result
from unnoise.core.model import Library, Model
from unnoise.core.noise import Seeds
from unnoise.core.state import State, begin
from unnoise.core.trajectory import Trajectory
from unnoise.core.version import __version__
from unnoise.media.image import pixels_sha256, to_bytes
from unnoise.media.record import Record
from unnoise.samplers import SAMPLERS
from unnoise.spacings import SPACINGS
from unnoise.tasks._bind import bind
from unnoise.tasks._plan import Plan, json_request

EPOCH = 1
"""The numerics epoch: it changes when any golden picture does, with the reason in the CHANGELOG."""

GROUP = 8


@dataclass(frozen=True)
class Work:
    """A plan with its model and the levels it visits."""

    plan: Plan
    task: Any
    model: Model
    trajectory: Trajectory
    library: Library

    @property
    def exact(self) -> bool:
        return self.library.exact

    @property
    def device(self) -> torch.device:
        return next(self.model.denoiser.parameters()).device


def sample(plan: Plan, task: Any, library: Library) -> Iterator[Event]:
    """Run a plan, group by group, in flat memory."""
    model = library.model(task.model)
    spacing = SPACINGS.make(plan.spacing) if plan.spacing else model.spacing
    shape = _shape(plan, model)
    work = Work(plan, task, model, spacing(model.schedule, plan.steps, shape), library)
    first = 0
    # One picture a network call on the CPU: there a batch's last bits depend on its size.
    size = 1 if work.exact or work.device.type == "cpu" else GROUP
    for seeds in _batched(plan.seeds, size):
        yield from _group(work, first, seeds)
        first += len(seeds)


def _group(work: Work, first: int, seeds: tuple[int, ...]) -> Iterator[Event]:
    began = time.perf_counter()
    noise = Seeds(seeds)
    denoise = bind(work.plan, work.model, work.library, work.trajectory, len(seeds))
    start = begin(work.trajectory, noise.start(_shape(work.plan, work.model)).to(work.device))
    sampler = SAMPLERS.make(work.plan.sampler)
    state = start
    for state in sampler(denoise, start, work.trajectory, noise):
        for k in range(len(seeds)):
            yield Progress(
                first + k, state.step, work.trajectory.steps, state, lambda k=k, s=state: preview(work, s, k)
            )
    pixels = to_bytes(decoded(work.model, state.x)).cpu()
    seconds = (time.perf_counter() - began) / len(seeds)
    for k, seed in enumerate(seeds):
        record = _record(work, seed, pixels[k])
        yield Result(first + k, seed, pixels[k], seconds, record, state.x[k].cpu())


@torch.no_grad()
def decoded(model: Model, x: Tensor) -> Tensor:
    """Samples as media, float32 in [-1, 1], in the codec's own type where it has weights."""
    module: Any = model.codec
    kind = next((p.dtype for p in module.parameters()), x.dtype)
    return model.codec.decode(x.to(kind)).float()


@torch.no_grad()
def preview(work: Work, state: State, k: int) -> Tensor:
    """Picture k's data guess, uint8 (C, H, W)."""
    data = state.x if state.data is None else state.data
    return to_bytes(work.model.codec.preview(data[k : k + 1]).float())[0].cpu()


def _shape(plan: Plan, model: Model) -> tuple[int, int, int]:
    return (model.codec.channels, plan.height // model.codec.scale, plan.width // model.codec.scale)


def _batched(seeds: tuple[int, ...], size: int) -> Iterator[tuple[int, ...]]:
    return (seeds[i : i + size] for i in range(0, len(seeds), size))


def _record(work: Work, seed: int, pixels: Tensor) -> Record:
    plan, parameter = work.plan, next(work.model.denoiser.parameters())
    request = json_request(work.task) | {"seed": seed, "count": 1}
    return Record(
        task="generate",
        request=request,
        model=work.model.description.name,
        files=work.model.description.files,
        seed=seed,
        levels=tuple((float(v.t), float(v.alpha), float(v.sigma)) for v in work.trajectory.levels),
        sampler=plan.sampler,
        spacing=plan.spacing,
        guidance=plan.guidance,
        width=plan.width,
        height=plan.height,
        versions={"unnoise": __version__, "torch": torch.__version__},
        device=parameter.device.type,
        dtype=str(parameter.dtype).removeprefix("torch."),
        exact=work.exact,
        epoch=EPOCH,
        pixels=pixels_sha256(pixels),
    )
