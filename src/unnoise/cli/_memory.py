"""How much memory a run will take, before it takes any: its weights from their headers, its work by going through it
with tensors that have no numbers.

Pages of mapped files do not count: the system takes them back when memory is short. What torch and its kernels keep
for themselves does, as they were measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import torch
from torch import nn

from unnoise.adapters.control import parsed_control
from unnoise.catalogue import find, recognise
from unnoise.cli._cost import Cost, Sketch
from unnoise.core.footprint import imagined, peak, weightless
from unnoise.core.model import Wish
from unnoise.families._folder import read_source
from unnoise.families._parts import held
from unnoise.families._source import Source, locate
from unnoise.networks.controlnet import Controlled
from unnoise.tasks._plan import Plan
from unnoise.weights.entry import Entry
from unnoise.weights.open import DTYPES
from unnoise.weights.place import Place

PROCESS = 185 * 2**20
"""What a process has when it begins to draw: Python, torch, this package and a vocabulary."""
KERNELS = 1.2
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
    source = read_source(find(str(sketch.shelf.models.get(name, name))), sketch.shelf.reading)
    parts = _parts(source, where)
    model, device = sketch.model(name), where.device.type
    call = max(found.all_calls, key=lambda call: call.batch)
    network, condition = sketch.calls.known[call]
    x = (call.batch, model.codec.channels, plan.height // model.codec.scale, plan.width // model.codec.scale)
    wishes = [Wish(plan.prompt, width=plan.width, height=plan.height)]
    tokens = model.conditioner.prepare(wishes)
    with weightless():
        reader = imagined(cast(nn.Module, model.conditioner), device)
        text = peak(lambda: reader(tokens))
        run = imagined(network, device, parts.kept)
        given = condition.map(lambda v: torch.empty(v.shape, dtype=v.dtype, device=device))
        sample, time = (torch.empty(shape, device=device) for shape in (x, x[:1]))
        step = peak(lambda: run(sample.to(where.dtype), time, given))
        codec: Any = imagined(cast(nn.Module, model.codec), device)
        latent = torch.empty(1, *x[1:], dtype=where.dtype, device=device)
        decode = peak(lambda: codec.decode(latent).float())
    bare = network.network if isinstance(network, Controlled) else network
    modules = {"network": bare, "vae": model.codec, "text": model.conditioner}
    joined = sum(_joined(cast(nn.Module, modules[role]), left) for role, left in parts.left.items())
    nets = {parsed_control(spec).name for spec in plan.control}
    steering = sum(sketch.control(net).takes(where) or 0 for net in nets)
    return Memory(PROCESS if device == "cpu" else 0, parts.takes + joined + steering, text, step, decode)


@dataclass(frozen=True)
class Parts:
    """What becomes of a model's weights.

    Args:
        takes: bytes of those that are placed.
        left: of those that stay in their files, by role.
        kept: the type of the network's, where they stay though it computes in another.
    """

    takes: int
    left: Mapping[str, tuple[Entry, ...]]
    kept: torch.dtype | None


def _parts(source: Source, where: Place) -> Parts:
    slots = recognise(source).slots
    if not slots:
        assert source.whole is not None
        return Parts(where.moved(source.whole.header.tensors.values()), {}, None)
    found = locate(source, slots)
    takes, left, kept = held(found, slots, where), dict[str, tuple[Entry, ...]](), None
    for slot in slots:
        if slot.name in takes and not takes[slot.name]:
            header = found[slot.name].header
            entries = tuple(e for name, e in header.tensors.items() if name.startswith(found[slot.name].prefix))
            left[slot.role] = left.get(slot.role, ()) + entries
            if slot.kind == "network" and takes[slot.name] is None:
                kept = DTYPES.get(max(entries, key=lambda e: e.bytes).dtype)
    return Parts(sum(bytes or 0 for bytes in takes.values()), left, kept)


def _joined(module: nn.Module, stored: Sequence[Entry]) -> int:
    """Bytes of weights that are put together from several of a file's, so that they cannot stay there."""
    whole = {prod(entry.shape) for entry in stored}
    size = max((DTYPES[e.dtype].itemsize for e in stored if e.dtype in DTYPES), default=4)
    return sum(p.numel() * size for p in module.parameters() if p.numel() not in whole)
