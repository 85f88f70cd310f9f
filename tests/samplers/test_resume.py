"""Every sampler may stop anywhere and go on: from saved tensors, with another sampler, or not at all.

The marks of a sampler say how: one that walks `upward` begins at the clean end; one that is `alone` chooses its own
levels between the ends, and is not run with another sample; one with `branches` is given a guided guess to look into.
"""

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import SCHEDULES, Gaussian, Jump, Mixture, quantiles
from unnoise.core.denoiser import Denoise
from unnoise.core.level import Level
from unnoise.core.noise import Seeds
from unnoise.core.sampler import alone, upward
from unnoise.core.schedule import Cosine, Rectified
from unnoise.core.state import State, begin
from unnoise.core.trajectory import Trajectory
from unnoise.samplers import SAMPLERS
from unnoise.spacings.karras import Karras
from unnoise.spacings.uniform import Uniform

SPECS = [
    *SAMPLERS,
    "ddim:eta=1",
    "ddpm:variance=large",
    "heun:form=ratio",
    "pndm:prk=false",
    "unipc:order=3",
    "unipc:order=3,variant=bh1,lower_final=false",
    "ipndm:variable=true",
    "dpm_adaptive:order=2,pcoeff=0.2,dcoeff=0.1",
    "ddim_inverse:iterations=2",
]
UP = [spec for spec in SPECS if upward(SAMPLERS.make(spec))]
DOWN = [spec for spec in SPECS if spec not in UP]
ALONE = [spec for spec in SPECS if alone(SAMPLERS.make(spec))]
# Those with a memory, a noise or a count of steps of their own: every sampler hands over to and takes over from these.
OTHERS = [spec for spec in ("ddpm", "dpmpp_2m", "lms", "unipc", "dpm_adaptive") if spec in SAMPLERS]
PAIRS = list(dict.fromkeys([(a, b) for a in DOWN for b in OTHERS] + [(a, b) for a in OTHERS for b in DOWN]))
STEPS = 8
samplers = pytest.mark.parametrize("spec", SPECS)
downward = pytest.mark.parametrize("spec", DOWN)


@dataclass(frozen=True)
class Branched:
    """A guided guess: the oracle's own, and beside it the one of a free branch that knows less."""

    inner: Denoise

    def __call__(self, x: torch.Tensor, level: Level) -> torch.Tensor:
        return self.inner(x, level)

    def detailed(self, x: torch.Tensor, level: Level, names: tuple[str, ...]) -> tuple[torch.Tensor, dict]:
        guess = self.inner(x, level)
        return guess, dict.fromkeys(names, 0.9 * guess)


DATA = Branched(Mixture())


def first(spec: str, trajectory: Trajectory, x: torch.Tensor) -> State:
    """Where a sampler's run begins: at pure noise, or at data if it walks up."""
    return State(x.clamp(-1, 1), trajectory.levels[-1]) if spec in UP else begin(trajectory, x)


def saved(state: State) -> dict[str, torch.Tensor]:
    """A state as a file holds it: named tensors, cut off from everything."""
    level = {f"level.{k}": v for k, v in vars(state.level).items()}
    found = {"x": state.x, "data": state.data, "step": torch.tensor(state.step)} | level
    return {k: v.clone() for k, v in (found | {f"memory.{k}": v for k, v in state.memory.items()}).items()}


def restored(tensors: dict[str, torch.Tensor]) -> State:
    memory = {k.removeprefix("memory."): v for k, v in tensors.items() if k.startswith("memory.")}
    level = Level(*(tensors[f"level.{k}"] for k in ("t", "alpha", "sigma")))
    return State(tensors["x"], level, int(tensors["step"]), tensors["data"], memory)


def runs(spec, schedule=None, seeds=(3, 4), dtype=torch.float64):
    trajectory = Uniform()(schedule or Cosine(), STEPS)
    noise = Seeds(seeds)
    return trajectory, first(spec, trajectory, noise.start((5, 3)).to(dtype)), noise


@samplers
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_resuming_from_every_step_is_bit_exact(spec, dtype):
    sampler, (trajectory, start, noise) = SAMPLERS.make(spec), runs(spec, dtype=dtype)
    states = list(sampler(DATA, start, trajectory, noise))
    count = len(states) if spec in ALONE else STEPS
    assert [s.step for s in states] == list(range(1, count + 1)) and count > 3
    assert all(s.x.dtype == dtype and s.data is not None and s.data.dtype == dtype for s in states)
    for state in states[:-1]:
        *_, last = sampler(DATA, restored(saved(state)), trajectory, Seeds((3, 4)))
        assert torch.equal(last.x, states[-1].x) and last.step == count


@samplers
def test_memory_is_flat_named_and_its_owner_s(spec):
    sampler, (trajectory, start, noise) = SAMPLERS.make(spec), runs(spec)
    for state in sampler(DATA, start, trajectory, noise):
        assert all(k.startswith(spec.partition(":")[0] + ".") for k in state.memory)
        assert all(isinstance(v, torch.Tensor) for v in state.memory.values())


@pytest.mark.parametrize(("spec", "other"), PAIRS)
def test_another_sampler_takes_over_and_starts_afresh(spec, other):
    """It finds nothing it did not leave, so the end is that of a run begun at the step where it took over."""
    trajectory, start, noise = runs(spec)
    walk = SAMPLERS.make(spec)(DATA, start, trajectory, noise)
    state = [next(walk) for _ in range(3)][-1]
    *_, last = SAMPLERS.make(other)(DATA, state, trajectory, noise)
    if other.partition(":")[0] != spec.partition(":")[0]:
        bare = State(state.x, state.level, state.step)
        *_, expected = SAMPLERS.make(other)(DATA, bare, trajectory, noise)
        assert torch.equal(last.x, expected.x)
    assert last.x.isfinite().all() and last.level.clean
    assert last.step > 3 if {spec, other} & set(ALONE) else last.step == STEPS


@pytest.mark.parametrize("spec", UP)
@pytest.mark.parametrize("other", OTHERS)
def test_a_picture_that_was_walked_up_is_walked_down_again(spec, other):
    """From the third level above clean, and steps are counted on."""
    trajectory, start, noise = runs(spec)
    walk = SAMPLERS.make(spec)(DATA, start, trajectory, noise)
    state = [next(walk) for _ in range(3)][-1]
    *_, last = SAMPLERS.make(other)(DATA, state, trajectory, noise)
    assert last.x.isfinite().all() and last.level.clean and (other in ALONE or last.step == 6)


@samplers
def test_another_trajectory_may_take_over(spec):
    trajectory, start, noise = runs(spec, Rectified())
    walk = SAMPLERS.make(spec)(DATA, start, trajectory, noise)
    state = [next(walk) for _ in range(3)][-1]
    another = Karras()(Rectified(), 11)
    *_, last = SAMPLERS.make(spec)(DATA, state, another, noise)
    assert last.x.isfinite().all() and last.level is another.levels[0 if spec in UP else -1] and last.step > 3


@samplers
def test_a_level_a_rounding_away_does_not_derail_a_run(spec):
    """Restored through another representation, a level may differ in its last digit; that is no step to take."""
    trajectory, start, noise = runs(spec, Rectified())
    states = list(SAMPLERS.make(spec)(DATA, start, trajectory, noise))
    state = states[3]
    near = Level(state.level.t, state.level.alpha, state.level.sigma * (1 + 1e-15))
    moved = State(state.x, near, state.step, state.data, state.memory)
    *_, last = SAMPLERS.make(spec)(DATA, moved, trajectory, noise)
    assert last.step == len(states)
    torch.testing.assert_close(last.x, states[-1].x, rtol=1e-9, atol=1e-9)


@downward
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("part", [0.2, 0.55, 0.9])
def test_a_late_start_from_the_exact_marginal_ends_at_the_data(spec, schedule, part):
    """Image to image: a State in the middle, off the trajectory's own levels. Mean and spread are then the data's."""
    oracle = Gaussian()
    # A clipped cosine table begins at sigmas of 20000, and would spend its steps up there.
    trajectory = Karras(high=80.0 if schedule is SCHEDULES["squared_cosine"] else 0.0)(schedule, 40)
    level = trajectory.at(-2 * math.log(part * 5.0))
    x = oracle.at(level, quantiles(2001, 3.0))
    denoise = Jump(oracle) if spec == "lcm" else oracle  # made for a model that leads to the data in one step
    states = list(SAMPLERS.make(spec)(denoise, State(x, level), trajectory, Seeds((1,))))
    assert len(states) < 40 and states[-1].level.clean and states[-1].step == len(states)
    weights = torch.exp(-(quantiles(2001, 3.0) ** 2) / 2)
    mean = float((weights * states[-1].x).sum() / weights.sum())
    spread = float((weights * (states[-1].x - mean) ** 2).sum() / weights.sum()) ** 0.5
    assert mean == pytest.approx(oracle.mean, abs=0.04) and spread == pytest.approx(oracle.std, rel=0.2)


@samplers
def test_a_start_at_or_beyond_the_end_takes_no_step(spec):
    trajectory, start, noise = runs(spec)
    there = State(start.x, trajectory.levels[0 if spec in UP else -1])
    assert list(SAMPLERS.make(spec)(DATA, there, trajectory, noise)) == []


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec not in ALONE])
@settings(max_examples=15)
@given(values=st.lists(st.integers(0, 2**32), min_size=2, max_size=4, unique=True), data=st.data())
def test_a_sample_does_not_depend_on_its_batch(spec, values, data):
    """Picture k of a batch is the picture alone. The Gaussian's arithmetic rounds alike at any length."""
    one = data.draw(st.integers(0, len(values) - 1))

    def end(seeds):
        trajectory, start, noise = runs(spec, Rectified(), tuple(seeds), torch.float32)
        *_, last = SAMPLERS.make(spec)(Branched(Gaussian()), start, trajectory, noise)
        return last.x

    assert torch.equal(end(values)[one : one + 1], end([values[one]]))


@samplers
@pytest.mark.parametrize("steps", [1, 3])
def test_cancel_is_close(spec, steps):
    calls = []

    class Counted(Branched):
        def __call__(self, x, level):
            calls.append(level)
            return self.inner(x, level)

    trajectory, start, noise = runs(spec)
    walk = SAMPLERS.make(spec)(Counted(Mixture()), start, trajectory, noise)
    for _ in range(steps):
        next(walk)
    spent = len(calls)
    walk.close()
    assert list(walk) == [] and len(calls) == spent <= 4 * steps


@samplers
def test_nothing_is_left_changed_across_a_yield(spec):
    trajectory, start, noise = runs(spec)
    before = start.x.clone()
    for state in SAMPLERS.make(spec)(DATA, start, trajectory, noise):
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled() and not state.x.is_inference()
    assert torch.equal(start.x, before)


@samplers
def test_a_run_may_be_differentiated(spec):
    """Guidance by a loss on the result needs the gradient through the steps."""
    trajectory, start, noise = runs(spec)
    x = start.x.clone().requires_grad_()
    *_, last = SAMPLERS.make(spec)(Branched(Gaussian()), State(x, start.level), trajectory, noise)
    last.x.sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


def test_levels_are_walked_in_order():
    for spec in SPECS:
        trajectory, start, noise = runs(spec)
        levels = [s.level for s in SAMPLERS.make(spec)(DATA, start, trajectory, noise)]
        if spec in ALONE:
            ratios = [float(level.ratio) for level in levels]
            assert ratios == sorted(set(ratios), reverse=True) and levels[-2:] == list(trajectory.levels[-2:])
        else:
            assert levels == list(trajectory.levels[::-1] if spec in UP else trajectory.levels)[1:]
