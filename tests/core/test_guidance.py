"""Guided denoisers: which branches run, how many network calls it takes, and in which space they meet."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from unnoise.core.branch import PAIR, Branch
from unnoise.core.clock import Scaled
from unnoise.core.condition import Condition, condition
from unnoise.core.denoiser import Denoiser
from unnoise.core.guidance import Guided
from unnoise.core.level import Level, shared
from unnoise.core.prediction import Epsilon, Flow, V
from unnoise.core.state import State, remember

LEVEL = shared(0.5, 0.6, 0.8)


@condition
class Word(Condition):
    value: torch.Tensor


class Times(nn.Module):
    """x times the condition's value plus the time; counts its calls."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x, time, condition):
        self.calls += 1
        return x * condition.value[:, None] + time[:, None]


@dataclass(frozen=True)
class Sum:
    """Adds up the guesses of the branches it is told to need."""

    names: tuple[str, ...] = ("positive", "negative")
    space: str = "data"

    @property
    def branches(self) -> Mapping[str, Branch]:
        return PAIR

    def needs(self, level: Level) -> tuple[str, ...]:
        return self.names

    def __call__(self, guesses: Mapping[str, torch.Tensor], x: torch.Tensor, level: Level) -> torch.Tensor:
        assert tuple(guesses) == self.names
        return torch.stack(list(guesses.values())).sum(0)


def word(value, batch=3):
    return Word(value=torch.full((batch,), float(value)))


def branches(denoiser, **values):
    return {name: denoiser.bind(word(value)) for name, value in values.items()}


def test_branches_of_one_denoiser_run_in_one_call_and_each_as_if_alone():
    denoiser = Denoiser(Times(), V(), Scaled())
    bound, x = branches(denoiser, positive=2, negative=5, other=7), torch.randn(3, 4)
    guided = Guided(bound, Sum())
    found = guided(x, LEVEL)
    assert denoiser.network.calls == 1
    torch.testing.assert_close(found, bound["positive"](x, LEVEL) + bound["negative"](x, LEVEL))


def test_another_denoiser_is_called_singly_with_its_own_prediction():
    first, second = Denoiser(Times(), V(), Scaled()), Denoiser(Times(), Epsilon(), Scaled(1.0))
    bound = branches(first, positive=2) | branches(second, negative=5)
    x = torch.randn(3, 4)
    found = Guided(bound, Sum())(x, LEVEL)
    assert first.network.calls == second.network.calls == 1
    torch.testing.assert_close(found, bound["positive"](x, LEVEL) + bound["negative"](x, LEVEL))


def test_a_branch_that_is_not_needed_costs_nothing():
    first, second = Denoiser(Times(), V(), Scaled()), Denoiser(Times(), V(), Scaled())
    guided = Guided(branches(first, positive=2) | branches(second, negative=5), Sum(("positive",)))
    x = torch.randn(3, 4)
    torch.testing.assert_close(guided(x, LEVEL), guided.branches["positive"](x, LEVEL))
    assert second.network.calls == 0


def test_guesses_are_each_branch_s_own_data():
    bound = branches(Denoiser(Times(), Flow(), Scaled()), positive=2, negative=5)
    x = torch.randn(3, 4)
    guesses = Guided(bound, Sum()).guesses(x, LEVEL)
    for name, branch in bound.items():
        torch.testing.assert_close(guesses[name], branch(x, LEVEL))


def test_a_combination_of_outputs_sees_outputs():
    bound = branches(Denoiser(Times(), V(), Scaled()), positive=2, negative=5)
    x = torch.randn(3, 4)
    total = bound["positive"].output(x, LEVEL) + bound["negative"].output(x, LEVEL)
    torch.testing.assert_close(Guided(bound, Sum(space="output"))(x, LEVEL), V()(LEVEL).data(x, total))


@pytest.mark.parametrize("space", ["data", "output"])
def test_each_sample_may_have_its_own_level(space):
    bound = branches(Denoiser(Times(), V(), Scaled()), positive=2, negative=5)
    t = torch.tensor([[0.2], [0.5], [0.9]])
    level, x = Level(t, (1 - t**2).sqrt(), t), torch.randn(3, 4)
    found = Guided(bound, Sum(space=space))(x, level)
    for i in range(3):
        one = Level(*(v[i : i + 1] for v in (level.t, level.alpha, level.sigma)))
        alone = {k: b.denoiser.bind(word(float(b.condition.value[0]), 1)) for k, b in bound.items()}
        torch.testing.assert_close(found[i : i + 1], Guided(alone, Sum(space=space))(x[i : i + 1], one))


def test_outputs_meet_in_the_first_branch_s_prediction():
    """Two networks that know the same data give the same picture, whatever each of them predicts."""

    @dataclass(frozen=True)
    class Mean(Sum):
        def __call__(self, guesses, x, level):
            return super().__call__(guesses, x, level) / 2

    class Knowing(nn.Module):
        """Gives the output of a network that knows the data to be zero."""

        def __init__(self, prediction):
            super().__init__()
            self.prediction = prediction

        def forward(self, x, time, condition):
            affine = self.prediction(LEVEL)
            return affine.target(x / affine.scale, torch.zeros_like(x))

    first, second = (Denoiser(Knowing(kind), kind, Scaled()) for kind in (V(), Epsilon()))
    bound = branches(first, positive=2) | branches(second, negative=5)
    found = Guided(bound, Mean(space="output"))(torch.randn(3, 4), LEVEL)
    torch.testing.assert_close(found, torch.zeros(3, 4), atol=1e-6, rtol=0)


@pytest.mark.parametrize("space", ["data", "output"])
def test_detailed_gives_the_combined_guess_and_named_branches_from_one_evaluation(space):
    first = Denoiser(Times(), V(), Scaled())
    guided = Guided(branches(first, positive=2.0, negative=5.0), Sum(space=space))
    x = torch.randn(3, 4)
    calls = first.network.calls
    found, parts = guided.detailed(x, LEVEL, ("negative",))
    assert not found.requires_grad and not guided.gradient  # nothing is kept for a gradient that nobody asked for
    assert first.network.calls == calls + 1 and list(parts) == ["negative"]
    torch.testing.assert_close(found, guided(x, LEVEL))
    torch.testing.assert_close(parts["negative"], guided.guesses(x, LEVEL)["negative"])


def test_a_combination_of_velocities_sees_velocities_whatever_is_predicted():
    """noise - data, from networks that predict two other things."""
    first, second = Denoiser(Times(), V(), Scaled()), Denoiser(Times(), Epsilon(), Scaled(1.0))
    bound = branches(first, positive=2) | branches(second, negative=5)
    x = torch.randn(3, 4)
    guesses = [b(x, LEVEL) for b in bound.values()]
    velocity = sum(LEVEL.noise_in(x, data) - data for data in guesses)
    expected = (x - LEVEL.sigma * velocity) / (LEVEL.alpha + LEVEL.sigma)
    torch.testing.assert_close(Guided(bound, Sum(space="flow"))(x, LEVEL), expected)


@dataclass(frozen=True)
class Counting(Sum):
    """Remembers how often it was asked."""

    asked: list[int] = field(default_factory=list)

    def __call__(self, guesses, x, level):
        self.asked.append(1)
        return super().__call__(guesses, x, level)

    def memory(self):
        return remember("counting", asked=torch.full((3,), len(self.asked))) if self.asked else {}

    def with_memory(self, memory):
        return Counting(self.names, self.space, [1] * int(memory.get("counting.asked", torch.zeros(1))[0]))


def test_memory_of_a_guidance_goes_into_a_state_and_comes_back():
    guided = Guided(branches(Denoiser(Times(), V(), Scaled()), positive=2, negative=5), Counting(asked=[]))
    x = torch.randn(3, 4)
    state = State(x, LEVEL, 2, x, {"heun.slope": x})
    assert guided.kept(state) is state  # nothing to keep yet
    guided(x, LEVEL), guided(x, LEVEL)
    kept = guided.kept(state)
    assert set(kept.memory) == {"heun.slope", "counting.asked"} and state.memory == {"heun.slope": x}
    assert (kept.step, kept.x is x, kept.data is x) == (2, True, True)
    again = guided.resumed(kept)
    assert len(again.combine.asked) == 2 and again.branches is guided.branches
    again(x, LEVEL)
    assert len(again.combine.asked) == 3 and len(guided.combine.asked) == 2
    assert len(guided.resumed(state).combine.asked) == 0  # another run's state holds nothing for it


def test_a_guidance_without_memory_is_left_as_it_is():
    guided = Guided(branches(Denoiser(Times(), V(), Scaled()), positive=2, negative=5), Sum())
    state = State(torch.randn(3, 4), LEVEL)
    assert guided.resumed(state) is guided and guided.kept(state) is state


def test_a_combination_marked_gradient_can_differentiate_its_guesses():
    @dataclass(frozen=True)
    class Slope(Sum):
        gradient: bool = True

        def __call__(self, guesses, x, level):
            return torch.autograd.grad(sum(g.square().sum() for g in guesses.values()), x)[0]

    guided = Guided(branches(Denoiser(Times(), V(), Scaled()), positive=2, negative=5), Slope())
    x = torch.randn(3, 4)
    with torch.no_grad():
        found = guided(x, LEVEL)
    leaf = x.clone().requires_grad_()
    bound = [b.denoiser.bind(b.condition, gradient=True) for b in guided.branches.values()]
    sum(b(leaf, LEVEL).square().sum() for b in bound).backward()
    torch.testing.assert_close(found, leaf.grad)
    assert not x.requires_grad and not found.requires_grad


class Sharing(Times):
    """The same, computed once for all that is asked at a sample."""

    shares = True

    def forward(self, x, time, condition):
        self.seen = x.shape, time.shape
        times = len(condition.value) // len(x)
        return super().forward(x.repeat(times, 1), time.repeat(times), condition)


@pytest.mark.parametrize(
    "t", [torch.tensor(0.6), torch.tensor([[0.2], [0.5], [0.9]])], ids=["one level", "a level each"]
)
def test_a_network_that_shares_is_given_each_sample_once(t):
    level, x = Level(t, (1 - t**2).sqrt(), t), torch.randn(3, 4)
    sharing, plain = (Denoiser(network, V(), Scaled()) for network in (Sharing(), Times()))
    found, expected = (Guided(branches(d, positive=2, negative=5), Sum())(x, level) for d in (sharing, plain))
    assert sharing.network.seen == ((3, 4), (3,))
    assert torch.equal(found, expected)
