"""What a run would ask of a network, without running it: every call counted, and its arithmetic.

The run's own sampler and guidance go along the run's own levels, but the network is a stub that notes each call and
gives nothing back; the weights are on torch's meta device, where tensors have shapes and no numbers. So what is counted
is what will be called, for any sampler with any guidance. A sampler that chooses its own steps would choose others on
real data: its count is an estimate, and says so.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from unnoise.catalogue import DTYPES, Shelf, assembled
from unnoise.core.condition import Condition
from unnoise.core.denoiser import Denoiser
from unnoise.core.description import Description
from unnoise.core.model import Enlarging, Model, Wish
from unnoise.core.noise import Seeds
from unnoise.core.sampler import alone
from unnoise.core.state import begin
from unnoise.core.trajectory import Trajectory
from unnoise.samplers import SAMPLERS
from unnoise.tasks._bind import bind
from unnoise.tasks._control import steered
from unnoise.tasks._plan import Plan
from unnoise.tasks._sample import GROUP
from unnoise.tasks._sound import finite, laid
from unnoise.weights.place import Place

META = torch.device("meta")


@dataclass(frozen=True)
class Call:
    """One call of a network: how many samples it gets, and whether its gradient is taken."""

    network: str
    batch: int
    gradient: bool


class Stub(nn.Module):
    """In a network's place: notes every call, and says that there is nothing but noise.

    Args:
        name: the network's.
        network: the one on the meta device.
        calls: where calls are noted, with the condition of the first of their kind.
    """

    def __init__(self, name: str, network: nn.Module, calls: "Calls") -> None:
        super().__init__()
        self.name, self.calls = name, calls
        self.held = (network,)  # a tuple, so that its weights are not this module's

    def forward(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        call = Call(self.name, len(x), x.requires_grad)
        self.calls.counted[call] += 1
        self.calls.known.setdefault(call, (self.held[0], condition))
        return x * 0

    def view(self, view: Any) -> "Stub":
        """A weaker view of the network, which is called and counted by itself."""
        return Stub(f"{self.name} {view}", cast(Any, self.held[0]).view(view), self.calls)


@dataclass
class Calls:
    """What was called how often, and what each was called with."""

    counted: Counter[Call] = field(default_factory=Counter[Call])
    known: dict[Call, tuple[nn.Module, Condition]] = field(default_factory=dict[Call, tuple[nn.Module, Condition]])


@dataclass
class Sketch:
    """A library of models without numbers, whose networks are stubs.

    Args:
        shelf: that knows the models.
        dtype: the network's type.
    """

    shelf: Shelf
    dtype: str = "float32"
    calls: Calls = field(default_factory=Calls)
    _kept: dict[str, Model] = field(default_factory=dict[str, Model])
    _counted: dict[Any, int] = field(default_factory=dict[Any, int])

    @property
    def exact(self) -> bool:
        return self.shelf.exact

    def describe(self, name: str) -> Description:
        return self.shelf.describe(name)

    def state(self, digest: str) -> Any:
        return self.shelf.state(digest)

    def picture(self, digest: str) -> Tensor:
        return self.shelf.picture(digest)

    def adapter(self, name: str) -> Any:
        return self.shelf.adapter(name)

    def embedding(self, name: str) -> Any:
        return self.shelf.embedding(name)

    def control(self, name: str) -> Any:
        return self.shelf.control(name)

    def upscaler(self, name: str) -> Enlarging:
        return self.shelf.upscaler(name)

    def model(self, name: str) -> Model:
        if name not in self._kept:
            self._kept[name] = self._sketched(name)
        return self._kept[name]

    def flops(self, network: nn.Module, condition: Condition, call: Call, shape: tuple[int, ...]) -> int:
        """The arithmetic of a call; the gradient with respect to its input costs as much again.

        Samples do not meet in a network, so it is that of one times their number, and each shape is counted once.
        """
        one = condition.map(lambda v: v[:1])
        shapes = tuple((name, v.shape) for name, v in one.tensors().items())
        if (key := (network, shape, shapes)) not in self._counted:
            self._counted[key] = _counted(network, one, shape)
        return self._counted[key] * call.batch * (2 if call.gradient else 1)

    def steered(self, plan: Plan, model: Model, trajectory: Trajectory) -> Model:
        """A model with the plan's ControlNets, as if they acted all the way."""
        if not plan.control:
            return model
        from unnoise.networks.controlnet import Controlled

        stub = cast(Stub, model.denoiser.network)
        made = steered(plan, _with(model, stub.held[0]), self, trajectory)
        found = cast(Controlled, made.denoiser.network)
        whole = Controlled(found.network, [replace(each, times=(-inf, inf)) for each in found.controls])
        return _with(made, Stub(" ".join((stub.name, *plan.control)), whole, self.calls))

    def _sketched(self, name: str) -> Model:
        file = str(self.shelf.models.get(name, name))
        model = assembled(file, Place(META, getattr(torch, self.dtype)), self.shelf.reading)
        return _with(model.named(name), Stub(name, model.denoiser.network, self.calls))


def _with(model: Model, network: nn.Module) -> Model:
    """The model with another network."""
    held = model.denoiser
    return replace(model, denoiser=Denoiser[Any](network, held.prediction, held.clock))


@dataclass(frozen=True)
class Cost:
    """What a plan asks for.

    Args:
        trajectory: the levels it visits.
        groups: pictures of one sampler run -> how many such runs there are.
        calls: the network's calls of a run of that many pictures.
        flops: of each call: two for a multiplication and an addition.
        exact: whether the count is what will be; an estimate where the sampler decides.
    """

    trajectory: Trajectory
    groups: dict[int, int]
    calls: dict[int, Counter[Call]]
    flops: dict[Call, int]
    exact: bool

    @cached_property
    def all_calls(self) -> Counter[Call]:
        """Every call of every run."""
        total = Counter[Call]()
        for size, runs in self.groups.items():
            total.update({call: times * runs for call, times in self.calls[size].items()})
        return total

    @property
    def evaluations(self) -> int:
        """Samples that go through a network, every branch of guidance counted."""
        return sum(call.batch * times for call, times in self.all_calls.items())

    @property
    def total_flops(self) -> int:
        return sum(self.flops[call] * times for call, times in self.all_calls.items())

    @property
    def largest(self) -> int:
        """The most samples of one call."""
        return max(call.batch for call in self.all_calls)


def cost(plan: Plan, model_name: str, sketch: Sketch, device: str) -> Cost:
    """What a plan asks for on a device.

    Raises:
        Refused: the run would be.
    """
    model = sketch.model(model_name)
    shape = (model.codec.channels, plan.height // model.codec.scale, plan.width // model.codec.scale)
    trajectory = laid(plan, model, shape)
    model = sketch.steered(plan, model, trajectory)
    free = alone(SAMPLERS.make(plan.sampler))
    size = 1 if sketch.exact or device == "cpu" or free else GROUP
    groups = {size: len(plan.seeds) // size, len(plan.seeds) % size: 1}
    groups = {pictures: runs for pictures, runs in groups.items() if pictures and runs}
    calls = {pictures: _calls(plan, model, sketch, trajectory, pictures) for pictures in groups}
    flops = {call: sketch.flops(*sketch.calls.known[call], call, shape) for each in calls.values() for call in each}
    return Cost(trajectory, groups, calls, flops, not free)


def sample_flops(sketch: Sketch, name: str, shape: tuple[int, ...]) -> int:
    """The arithmetic of a call of a model's own network with one sample and an empty prompt."""
    model = sketch.model(name)
    height, width = (side * model.codec.scale for side in shape[-2:])
    with torch.no_grad():
        one = model.conditioner(model.conditioner.prepare([Wish("", width, height)]))
    return sketch.flops(cast(Stub, model.denoiser.network).held[0], one, Call(name, 1, False), shape)


def decode_flops(sketch: Sketch, name: str, shape: tuple[int, ...]) -> int:
    """The arithmetic of decoding one sample."""
    codec = sketch.model(name).codec
    x = torch.empty(1, *shape, device=META, dtype=getattr(torch, sketch.dtype))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        codec.decode(x)
    return counter.get_total_flops()


def _counted(network: nn.Module, condition: Condition, shape: tuple[int, ...]) -> int:
    """The arithmetic of one sample's way through a network."""
    kind = next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)
    x, time = torch.empty(1, *shape, device=META, dtype=kind), torch.empty(1, device=META)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(x, time, condition)
    return counter.get_total_flops()


def _calls(plan: Plan, model: Model, sketch: Sketch, trajectory: Trajectory, pictures: int) -> Counter[Call]:
    sketch.calls.counted.clear()
    seeds = Seeds(plan.seeds[:pictures])
    denoise = bind(plan, model, sketch, trajectory, pictures)
    # A small sample: what is called does not depend on its size, which the trajectory already knows.
    state = begin(trajectory, seeds.start((model.codec.channels, 8, 8)))
    for _ in finite(SAMPLERS.make(plan.sampler)(denoise, state, trajectory, seeds), plan):
        pass
    return Counter(sketch.calls.counted)


def network_dtype(dtype: str | None) -> str:
    """The type a network computes in by default."""
    return dtype or DTYPES[0]
