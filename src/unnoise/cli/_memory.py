"""How much memory a run will take, before it takes any: its weights from their headers, its work by going through it
with tensors that have no numbers.

Pages of mapped files do not count: the system takes them back when memory is short. What torch and its kernels keep
for themselves does, as they were measured.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from unnoise.catalogue import find, recognise
from unnoise.cli._cost import Cost, Sketch
from unnoise.core.footprint import imagined, peak, weightless
from unnoise.core.model import Wish
from unnoise.families._folder import read_source
from unnoise.families._parts import held
from unnoise.families._source import Source, locate
from unnoise.tasks._plan import Plan
from unnoise.weights.place import Place

PROCESS = 230 * 2**20
"""What a process has when it begins to draw: Python, torch and this package."""
KERNELS = 1.15
"""What kernels and the allocator take beside tensors, as a factor of these."""


@dataclass(frozen=True)
class Memory:
    """In bytes of the device's memory.

    Args:
        base: what the process has before anything is read.
        weights: what weights take once they are placed.
        text, step, decode: what reading the prompts, one step and one picture's decoding take beside.
    """

    base: int
    weights: int
    text: int
    step: int
    decode: int

    @property
    def peak(self) -> int:
        """The most that the run takes at once."""
        return self.base + self.weights + round(KERNELS * max(self.text, self.step, self.decode))


def memory(plan: Plan, name: str, sketch: Sketch, found: Cost, where: Place) -> Memory:
    """What a run takes on a device.

    Args:
        found: what it calls, as `cost` tells.
    """
    takes = _placed(read_source(find(str(sketch.shelf.models.get(name, name))), sketch.shelf.reading), where)
    model, device = sketch.model(name), where.device.type
    call = max(found.all_calls, key=lambda call: call.batch)
    network, condition = sketch.calls.known[call]
    x = (call.batch, model.codec.channels, plan.height // model.codec.scale, plan.width // model.codec.scale)
    wishes = [Wish(plan.prompt, width=plan.width, height=plan.height)]
    tokens = model.conditioner.prepare(wishes)
    with weightless():
        reader = _there(model.conditioner, device)
        text = peak(lambda: reader(tokens))
        run, given = (
            _there(network, device),
            condition.map(lambda v: torch.empty(v.shape, dtype=v.dtype, device=device)),
        )
        sample, time = (torch.empty(shape, device=device) for shape in (x, x[:1]))
        step = peak(lambda: run(sample.to(where.dtype), time, given))
        codec, latent = _there(model.codec, device), torch.empty(1, *x[1:], dtype=where.dtype, device=device)
        decode = peak(lambda: codec.decode(latent).float())
    return Memory(PROCESS if device == "cpu" else 0, sum(takes), text, step, decode)


def _there(module: Any, device: str) -> Any:
    """A copy of a module of the meta device, as if it were on another."""
    return imagined(cast(nn.Module, module), device)


def _placed(source: Source, where: Place) -> list[int]:
    """How many bytes each network takes."""
    slots = recognise(source).slots
    if not slots:
        assert source.whole is not None
        return [where.moved(source.whole.header.tensors.values())]
    return [bytes or 0 for bytes in held(locate(source, slots), slots, where).values()]
