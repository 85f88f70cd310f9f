"""How much memory a run will take, before it takes any: its weights from their headers, its work by going through it
with tensors that have no numbers.

Pages of mapped files do not count: the system takes them back when memory is short. What torch and its kernels keep
for themselves does, as they were measured.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import torch
from torch import nn

from unnoise.adapters.control import parsed_control
from unnoise.catalogue import find, recognise
from unnoise.cli._cost import Cost
from unnoise.cli._sketch import Sketch
from unnoise.core.footprint import imagined, peak, weightless
from unnoise.core.model import Wish
from unnoise.families._folder import read_source
from unnoise.families._located import locate
from unnoise.families._parts import held
from unnoise.families._source import Source
from unnoise.networks.controlnet import Controlled
from unnoise.tasks._plan import Plan
from unnoise.text.beside import Beside
from unnoise.weights.entry import BLOCKS, Entry
from unnoise.weights.int8 import chosen, like, size
from unnoise.weights.open import DTYPES
from unnoise.weights.place import Place

PROCESS = 185 * 2**20
"""What a process has when it begins to draw: Python, torch, this package and a vocabulary."""
QUANT = 80 * 2**20
"""What torchao adds to that."""
KERNELS = 1.2
"""What kernels and the allocator take beside tensors, as a factor of these."""

ANEW = torch.float64
"""No network computes in it: where weights are of this type, they are seen to be brought over in every call."""


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
    model, device = sketch.model(name), where.device.type
    call = max(found.all_calls, key=lambda call: call.batch)
    network, condition = sketch.calls.known[call]
    parts = _parts(source, where, _bare(network))
    x = (call.batch, model.codec.channels, plan.height // model.codec.scale, plan.width // model.codec.scale)
    wishes = [Wish(text, width=plan.width, height=plan.height) for text in (plan.prompt, plan.negative)]
    tokens = model.conditioner.prepare(wishes)
    with weightless():
        codec: Any = imagined(cast(nn.Module, model.codec), device)
        reader = imagined(cast(nn.Module, model.conditioner), device)
        if isinstance(reader, Beside):
            reader.held = (codec,)
        text = peak(lambda: reader(tokens))
        run = imagined(network, device, parts.kept)
        if where.int8:
            _quantise(_bare(run), where.dtype)
        given = condition.map(lambda v: torch.empty(v.shape, dtype=v.dtype, device=device))
        sample, time = (torch.empty(shape, device=device) for shape in (x, x[:1]))
        step = peak(lambda: run(sample.to(where.dtype), time, given))
        latent = torch.empty(1, *x[1:], dtype=where.dtype, device=device)
        decode = peak(lambda: codec.decode(latent).float())
    whole = defaultdict(frozenset[str], {"network": chosen(_bare(network))} if where.int8 else {})
    modules = {"network": _bare(network), "vae": model.codec, "text": model.conditioner}
    joined = sum(_joined(cast(nn.Module, modules[role]), left, whole[role]) for role, left in parts.left.items())
    nets = {parsed_control(spec).name for spec in plan.control}
    steering = sum(sketch.control(net).takes(where) or 0 for net in nets)
    base = PROCESS + (QUANT if where.int8 else 0)
    return Memory(base if device == "cpu" else 0, parts.takes + joined + steering, text, step, decode)


@dataclass(frozen=True)
class Parts:
    """What becomes of a model's weights.

    Args:
        takes: bytes of those that are placed.
        left: of those that stay in their files, by role.
        kept: the type of the network's, where they stay though it computes in another; `ANEW` of quantised ones.
    """

    takes: int
    left: Mapping[str, tuple[Entry, ...]]
    kept: torch.dtype | None


def _parts(source: Source, where: Place, network: nn.Module) -> Parts:
    slots, whole = recognise(source).slots, chosen(network) if where.int8 else frozenset[str]()
    quantised = sum(size(network.get_parameter(name).shape) for name in whole)
    if not slots:
        assert source.whole is not None
        entries = source.whole.header.tensors.items()
        rest = (e for name, e in entries if name.removeprefix("network.") not in whole)
        return Parts(where.moved(rest) + quantised, {}, None)
    found, here = locate(source, slots), where.device.type == "cpu"
    takes, left, kept = held(found, slots, where), dict[str, tuple[Entry, ...]](), None
    for slot in slots:
        if slot.name not in takes:
            continue
        header = found[slot.name].header
        entries = tuple(e for name, e in header.tensors.items() if name.startswith(found[slot.name].prefix))
        most = max(entries, key=lambda e: e.bytes).dtype
        if slot.kind == "network" and where.int8:
            rest = sum(p.numel() for name, p in network.named_parameters() if name not in whole)
            takes[slot.name] = quantised + (0 if here else rest * where.dtype.itemsize)
        stays = not takes[slot.name] or (slot.kind == "network" and where.int8 and here)
        if slot.kind == "network" and (stays or most in BLOCKS):
            kept = ANEW if most in BLOCKS else DTYPES.get(most)
        if stays:
            left[slot.role] = left.get(slot.role, ()) + entries
    return Parts(sum(bytes or 0 for bytes in takes.values()), left, kept)


def _bare(network: nn.Module) -> nn.Module:
    return network.network if isinstance(network, Controlled) else network


def _quantise(network: nn.Module, dtype: torch.dtype) -> None:
    """Have the weights be int8 that are."""
    for name in chosen(network):
        layer, weight = network.get_submodule(name.rpartition(".")[0]), network.get_parameter(name)
        layer.weight = nn.Parameter(like(weight, dtype), requires_grad=False)


def _joined(module: nn.Module, stored: Sequence[Entry], without: frozenset[str]) -> int:
    """Bytes of weights that are put together from several of a file's, so that they cannot stay there; but for some, by
    name."""
    whole = {prod(entry.shape) for entry in stored}
    width = max((DTYPES[e.dtype].itemsize for e in stored if e.dtype in DTYPES), default=4)
    kept = (p for name, p in module.named_parameters() if name not in without)
    return sum(p.numel() * width for p in kept if p.numel() not in whole)
