"""A library of models without numbers, whose networks note what is asked of them and count its arithmetic."""

from collections import Counter
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from unnoise.catalogue import Shelf, assembled
from unnoise.core.condition import Condition
from unnoise.core.denoiser import Denoiser
from unnoise.core.description import Description
from unnoise.core.model import Enlarging, Model
from unnoise.core.trajectory import Trajectory
from unnoise.tasks._control import steered
from unnoise.tasks._plan import Plan
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


def _counted(network: nn.Module, condition: Condition, shape: tuple[int, ...]) -> int:
    """The arithmetic of one sample's way through a network."""
    kind = next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)
    x, time = torch.empty(1, *shape, device=META, dtype=kind), torch.empty(1, device=META)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(x, time, condition)
    return counter.get_total_flops()
