"""What a plan counts is what a run calls: every sampler, every guidance, to the last sample."""

from collections import Counter

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from unnoise.catalogue import library
from unnoise.cli._cost import cost
from unnoise.cli._sketch import META, Call, Sketch
from unnoise.core.error import Refused
from unnoise.core.model import Wish
from unnoise.core.sampler import alone, upward
from unnoise.guidances import GUIDANCES
from unnoise.samplers import SAMPLERS
from unnoise.tasks.generate import Generate

GUIDED = ["1", "3", "interval:scale=3,low=0.3,high=0.7", *(name for name in GUIDANCES if name != "energy")]


@pytest.fixture(scope="module")
def shelf(tiny_model):
    return library({"tiny": str(tiny_model)}, "cpu")


def counted(task, shelf):
    return cost(task.plan(shelf.describe("tiny")), "tiny", Sketch(shelf), "cpu")


def called(task, shelf):
    """The size of each call of the networks in a real run: the model's own, and others that share its weights."""
    model, sizes = shelf.model("tiny"), Counter()
    kind = type(model.denoiser.network)
    forward = kind.forward

    def noted(self, x, time, condition):
        sizes[len(x)] += 1
        return forward(self, x, time, condition)

    kind.forward = noted
    try:
        list(task.run(shelf))
    finally:
        kind.forward = forward
    return sizes


def sizes(found):
    total = Counter()
    for call, times in found.all_calls.items():
        total[call.batch] += times
    return total


def runs(task, shelf):
    """Whether the request can be honoured."""
    try:
        counted(task, shelf)
    except Refused:
        return False
    return True


@pytest.mark.parametrize("sampler", [n for n in SAMPLERS if not alone(SAMPLERS[n]) and not upward(SAMPLERS[n])])
def test_samplers(shelf, sampler):
    low_high = "interval:scale=3,low=0.3,high=0.7"
    task = Generate(prompt="a fox", model="tiny", sampler=sampler, guidance=low_high, steps=4, seed=1, count=2)
    found = counted(task, shelf)
    assert found.exact and sizes(found) == called(task, shelf)


@pytest.mark.parametrize("guidance", GUIDED)
@pytest.mark.parametrize("negative", ["", "a dog"])
def test_guidances(shelf, guidance, negative):
    task = Generate(prompt="a fox", model="tiny", guidance=guidance, negative=negative, steps=4, seed=1)
    if not runs(task, shelf):
        pytest.skip("this guidance asks for more than a request of words has")
    assert sizes(counted(task, shelf)) == called(task, shelf)


def test_known_counts(shelf):
    def evaluations(**asked):
        found = counted(Generate(prompt="x", model="tiny", seed=1, **asked), shelf)
        return sum(found.all_calls.values()), found.evaluations

    assert evaluations(sampler="euler", guidance=1, steps=10) == (10, 10)
    assert evaluations(sampler="euler", guidance=3, steps=10) == (10, 20)
    assert evaluations(sampler="heun", guidance=3, steps=10, count=3) == (57, 114)  # one evaluation in the last step
    # Ten steps from 1 to 0; the interval holds 0.7, 0.6, 0.5, 0.4 and 0.3.
    low_high = "interval:scale=3,low=0.29,high=0.71"
    assert evaluations(sampler="euler", guidance=low_high, steps=10) == (10, 15)


def test_arithmetic_is_that_of_the_run(shelf):
    task = Generate(prompt="a fox", model="tiny", sampler="heun", guidance=3, steps=3, seed=1, width=32)
    model = shelf.model("tiny")
    condition = model.conditioner(model.conditioner.prepare([Wish("a fox")]))
    x = torch.zeros(2, 3, 16, 32)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.denoiser.network(x, torch.zeros(2), condition.map(lambda v: v.expand(2, *v.shape[1:])))
    found = counted(task, shelf)
    (call,) = found.flops
    # The fused attention of a CPU is not in torch's count, and the matrix products that stand for it on meta are.
    assert counter.get_total_flops() <= found.flops[call] < 1.2 * counter.get_total_flops()
    assert found.total_flops == 5 * found.flops[call]


def test_samples_do_not_meet_and_each_shape_is_counted_once(shelf, monkeypatch):
    sketch, model = Sketch(shelf), shelf.model("tiny")
    network = sketch.model("tiny").denoiser.network.held[0]
    one = model.conditioner(model.conditioner.prepare([Wish("a fox")])).to(META)
    many = one.map(lambda v: v.expand(3, *v.shape[1:]))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.empty(3, 3, 16, 32, device=META), torch.empty(3, device=META), many)
    found = sketch.flops(network, many, Call("tiny", 3, False), (3, 16, 32))
    assert found == counter.get_total_flops() > 0

    def unasked(*_):
        raise AssertionError("a shape was counted twice")

    monkeypatch.setattr(type(network), "forward", unasked)
    assert sketch.flops(network, one, Call("tiny", 1, False), (3, 16, 32)) == found / 3
    assert sketch.flops(network, many, Call("tiny", 3, True), (3, 16, 32)) == 2 * found
    with pytest.raises(AssertionError, match="twice"):
        sketch.flops(network, one, Call("tiny", 1, False), (3, 32, 32))


def test_pictures_on_an_accelerator_go_in_groups(shelf):
    task = Generate(prompt="x", model="tiny", sampler="euler", guidance=3, steps=2, seed=1, count=19)
    found = cost(task.plan(shelf.describe("tiny")), "tiny", Sketch(shelf), "cuda")
    assert found.groups == {8: 2, 3: 1} and found.largest == 16
    assert found.all_calls == {Call("tiny", 16, False): 4, Call("tiny", 6, False): 2}
    alone_found = cost(
        task.plan(shelf.describe("tiny")), "tiny", Sketch(library(shelf.models, "cpu", exact=True)), "cuda"
    )
    assert alone_found.groups == {1: 19}


def test_a_sampler_that_decides_is_an_estimate(shelf):
    found = counted(Generate(prompt="x", model="tiny", sampler="dpm_adaptive", seed=1), shelf)
    assert not found.exact and found.evaluations > 0
