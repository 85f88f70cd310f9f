"""What a run would ask of a network, without running it: every call counted, and its arithmetic.

The run's own sampler and guidance go along the run's own levels, but the network is a stub that notes each call and
gives nothing back; the weights are on torch's meta device, where tensors have shapes and no numbers. So what is counted
is what will be called, for any sampler with any guidance. A sampler that chooses its own steps would choose others on
real data: its count is an estimate, and says so.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from torch.utils.flop_counter import FlopCounterMode

from unnoise.catalogue import DTYPES
from unnoise.cli._sketch import META, Call, Sketch, Stub
from unnoise.core.model import Model, Wish
from unnoise.core.noise import Seeds
from unnoise.core.sampler import alone
from unnoise.core.state import begin
from unnoise.core.trajectory import Trajectory
from unnoise.samplers import SAMPLERS
from unnoise.tasks._bind import bind
from unnoise.tasks._plan import Plan
from unnoise.tasks._sample import GROUP
from unnoise.tasks._sound import finite, laid


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
