"""CFG-Zero*: the scale that fits the negative prompt's velocity, and steps that stand still."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.clock import Scaled
from unnoise.core.condition import Condition, condition
from unnoise.core.denoiser import Denoiser
from unnoise.core.error import Refused
from unnoise.core.guidance import Guided
from unnoise.core.prediction import PREDICTIONS
from unnoise.core.schedule import Cosine, Rectified
from unnoise.core.state import begin
from unnoise.guidances.zero_star import ZeroStar
from unnoise.samplers.euler import Euler
from unnoise.spacings.uniform import Uniform

TRAJECTORY = Uniform()(Rectified(), 10)
STILL, MOVES = TRAJECTORY.levels[0], TRAJECTORY.levels[3]


def guesses():
    draw = torch.Generator().manual_seed(0)
    return {n: torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=draw) for n in ("positive", "negative")}


@given(st.floats(0, 20))
def test_the_negative_velocity_is_first_scaled_to_fit(scale):
    found = guesses()
    out = ZeroStar(scale).along(TRAJECTORY)(found, torch.zeros(()), MOVES)
    for k in range(2):
        v, u = found["positive"][k].flatten(), found["negative"][k].flatten()
        s = (v @ u) / (u @ u)
        torch.testing.assert_close(out[k].flatten(), (1 - scale) * s * u + scale * v)


def test_the_fit_is_the_best_there_is():
    """|v - s u| is least, so what is left is at a right angle to u."""
    found = guesses()
    fitted = ZeroStar(0.0).along(TRAJECTORY)(found, torch.zeros(()), MOVES)
    torch.testing.assert_close(
        ((found["positive"] - fitted) * found["negative"]).sum((1, 2, 3)), torch.zeros(2, dtype=torch.float64)
    )


@pytest.mark.parametrize("zero", [0, 1, 3])
def test_the_first_steps_stand_still_and_run_one_branch(zero):
    guidance = ZeroStar(4.0, zero).along(TRAJECTORY)
    needed = [guidance.needs(level) for level in TRAJECTORY.levels[:-1]]
    assert needed == [("positive",)] * zero + [("positive", "negative")] * (10 - zero)
    if zero:
        assert not guidance({"positive": guesses()["positive"]}, torch.zeros(()), STILL).any()


@condition
class Word(Condition):
    value: torch.Tensor


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.float64 = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x, time, condition):
        return torch.sin(x) * condition.value[:, None] + condition.value[:, None] ** 2


def test_a_flow_that_stands_still_leaves_x_where_it_is():
    denoiser = Denoiser(Net(), PREDICTIONS["flow"](), Scaled())
    bound = {n: denoiser.bind(Word(value=torch.full((2,), v))) for n, v in {"positive": 2.0, "negative": -1.0}.items()}
    guided = Guided(bound, ZeroStar(4.0, 2).along(TRAJECTORY))
    start = begin(TRAJECTORY, torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    states = list(Euler()(guided, start, TRAJECTORY, None))
    for state in states[:2]:
        torch.testing.assert_close(state.x, start.x)
    assert not torch.allclose(states[2].x, start.x)


@pytest.mark.parametrize("zero", [0, 1])
def test_it_works_on_velocities_whatever_the_network_predicts(zero):
    """The same data guesses from two networks of other predictions give the same guided guess."""
    trajectory = Uniform()(Cosine(), 10)
    level, x = trajectory.levels[4 if zero == 0 else 0], guesses()["positive"][:, 0]
    level = level if zero == 0 else trajectory.levels[1]

    class Fixed(torch.nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.kind = kind
            self.float64 = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))

        def forward(self, x, time, condition):
            affine = self.kind(level)
            data = torch.cos(x / affine.scale) * condition.value.double()[:, None, None]
            return affine.target(x / affine.scale, data)

    outs = []
    for name in ("flow", "epsilon", "v", "data"):
        denoiser = Denoiser(Fixed(PREDICTIONS[name]()), PREDICTIONS[name](), Scaled())
        bound = {n: denoiser.bind(Word(value=torch.full((2,), v))) for n, v in (("positive", 2.0), ("negative", -1.0))}
        outs.append(Guided(bound, ZeroStar(4.0, 2 * zero).along(trajectory))(x, level))
    for out in outs[1:]:
        torch.testing.assert_close(out, outs[0])


@pytest.mark.parametrize(("zero", "steps"), [(10, 10), (1, 1)])
def test_a_run_that_only_stands_still_is_refused(zero, steps):
    with pytest.raises(Refused, match="stand still") as refusal:
        ZeroStar(4.0, zero).along(Uniform()(Rectified(), steps))
    assert refusal.value.field == "guidance"


def test_fewer_than_no_steps_are_refused():
    with pytest.raises(Refused, match="0 or more"):
        ZeroStar(zero=-1)
