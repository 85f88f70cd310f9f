"""From a plan to pictures: one sampler run, decode and result for each group of pictures."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from unnoise.core.denoiser import computed
from unnoise.core.event import Event, Progress, Result
from unnoise.core.heap import giving_back
from unnoise.core.model import Library, Model
from unnoise.core.noise import Seeds
from unnoise.core.sampler import alone
from unnoise.core.state import Paused, State, begin
from unnoise.media.image import pixels_sha256, to_bytes
from unnoise.samplers import SAMPLERS
from unnoise.tasks._adapt import adapted
from unnoise.tasks._bind import bind
from unnoise.tasks._control import steered
from unnoise.tasks._enlarge import whole
from unnoise.tasks._plan import UPSCALER, Plan
from unnoise.tasks._sound import finite, laid
from unnoise.tasks._start import fitting, going_on, guarded
from unnoise.tasks._work import Way, Work, record

GROUP = 8


def sample(plan: Plan, task: Any, library: Library, start: Paused | None = None) -> Iterator[Event]:
    """Run a plan, group by group, in flat memory; from a paused run's state where one is given."""
    model = adapted(plan, library.model(task.model), library)
    shape = _shape(plan, model)
    trajectory = laid(plan, model, shape)
    work = Work(plan, task, steered(plan, model, library, trajectory), trajectory, library, start)
    if start is not None:
        fitting(start.state, model, shape, work.trajectory)
    first = 0
    # One picture a network call on the CPU: there a batch's last bits depend on its size.
    single = work.exact or work.device.type == "cpu" or start is not None or alone(SAMPLERS.make(plan.sampler))
    for seeds in _batched(plan.seeds, 1 if single else GROUP):
        yield from _group(work, first, seeds)
        first += len(seeds)


def _group(work: Work, first: int, seeds: tuple[int, ...]) -> Iterator[Event]:
    began = time.perf_counter()
    state = first_state = _first(work, seeds)
    ways = [Way.begun(state) if work.start is None else Way.known(work.start.record)] * len(seeds)
    steps = _steps(work, state)
    for state in _states(work, first_state, seeds):
        ways = [way.on(state, k) for k, way in enumerate(ways)]
        for k, seed in enumerate(seeds):
            shown, paused = _preview(work, state, k), _paused(work, state, seed, ways[k])
            yield Progress(first + k, state.step, steps, state, shown, paused)
    with giving_back():  # what steps took: decoding takes as much again
        pixels = _enlarged(work, to_bytes(decoded(work.model, state.x)).cpu())
    seconds = (time.perf_counter() - began) / len(seeds)
    for k, seed in enumerate(seeds):
        made = record(work, seed, ways[k], pixels_sha256(pixels[k]))
        yield Result(first + k, seed, pixels[k], seconds, made, state.x[k].cpu())


def _first(work: Work, seeds: tuple[int, ...]) -> State:
    """Where the sampler begins."""
    if work.start is not None:
        return going_on(work.start.state, work.device)
    return begin(work.trajectory, Seeds(seeds).start(_shape(work.plan, work.model)).to(work.device))


def _steps(work: Work, state: State) -> int | None:
    """How many steps there will be, those already taken among them; None where the sampler decides."""
    if alone(SAMPLERS.make(work.plan.sampler)):
        return None
    return state.step + sum(1 for _ in state.remaining(work.trajectory))


def _states(work: Work, state: State, seeds: tuple[int, ...]) -> Iterator[State]:
    """The sampler's states, one a step."""
    denoise = bind(work.plan, work.model, work.library, work.trajectory, len(seeds)).resumed(state)
    sampler = SAMPLERS.make(work.plan.sampler)
    states = sampler(denoise, state, work.trajectory, Seeds(seeds))
    for state in finite(states if work.start is None else guarded(states), work.plan):
        yield denoise.kept(state)


def _enlarged(work: Work, pixels: Tensor) -> Sequence[Tensor]:
    """Pictures, uint8 (B, C, H, W), as large as they are asked for; each is enlarged alone."""
    if work.plan.upscale == 1:
        return list(pixels)
    network = work.library.upscaler(UPSCALER).network
    return [whole(network, each, work.plan.upscale) for each in pixels]


def _preview(work: Work, state: State, k: int) -> Callable[[], Tensor]:
    return lambda: preview(work, state, k)


def _paused(work: Work, state: State, seed: int, way: Way) -> Callable[[], Paused]:
    return lambda: Paused(state, record(work, seed, way, ""))


@torch.no_grad()
def decoded(model: Model, x: Tensor) -> Tensor:
    """Samples as media, float32 in [-1, 1], in the codec's own type where it has weights."""
    return model.codec.decode(x.to(computed(cast(nn.Module, model.codec)))).float()


@torch.no_grad()
def preview(work: Work, state: State, k: int) -> Tensor:
    """Picture k's data guess, uint8 (C, H, W)."""
    data = state.x if state.data is None else state.data
    return to_bytes(work.model.codec.preview(data[k : k + 1]).float())[0].cpu()


def _shape(plan: Plan, model: Model) -> tuple[int, int, int]:
    return (model.codec.channels, plan.height // model.codec.scale, plan.width // model.codec.scale)


def _batched(seeds: tuple[int, ...], size: int) -> Iterator[tuple[int, ...]]:
    return (seeds[i : i + size] for i in range(0, len(seeds), size))
