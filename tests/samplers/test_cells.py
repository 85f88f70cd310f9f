"""Every sampler with every spacing, prediction and schedule: the cell runs and stays sane, or is refused with a reason.

The network is perfect, so that what a run ends with must look like data, however few its steps. One cell in five
begins at alpha = 0 with a network that predicts noise, which says nothing of the data there: those, and no others,
are refused by the prediction; a spacing made for another schedule refuses that schedule.
"""

from dataclasses import dataclass
from functools import cache

import pytest
from torch import Tensor

from oracles import SCHEDULES, Mixture
from unnoise.core.error import Refused
from unnoise.core.level import Level
from unnoise.core.noise import Seeds
from unnoise.core.prediction import PREDICTIONS, Prediction
from unnoise.core.sampler import upward
from unnoise.core.state import State, begin
from unnoise.core.trajectory import Trajectory
from unnoise.samplers import SAMPLERS
from unnoise.spacings import SPACINGS

DATA = Mixture()
STEPS = 6
SHAPE = (4, 32, 32)  # what `dynamic` reads a shift from
OPTIONS = {"listed": "listed:times=1;0.9;0.7;0.5;0.3;0.1"}
SPREAD = 40.0
"""Data reach 2.5 and noise 3. A step that extrapolates over a leap from sigma 80 may overshoot; none may explode."""


@dataclass(frozen=True)
class Perfect:
    """A network of this prediction that knows the data's distribution; as guidance, all its branches agree."""

    prediction: Prediction

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        row = self.prediction(level)
        return row.data(x, row.target(x, DATA(x, level)))

    def detailed(self, x: Tensor, level: Level, names: tuple[str, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        guess = self(x, level)
        return guess, dict.fromkeys(names, guess)


@cache
def laid(spacing: str, schedule: str) -> Trajectory | Refused:
    try:
        return SPACINGS.make(OPTIONS.get(spacing, spacing))(SCHEDULES[schedule], STEPS, SHAPE)
    except Refused as refused:
        return refused


def end(spec: str, prediction: str, trajectory: Trajectory) -> Tensor:
    sampler, seeds = SAMPLERS.make(spec), Seeds((1, 2))
    noise = seeds.start((8,)).double()
    start = State(noise.clamp(-1, 1), trajectory.levels[-1]) if upward(sampler) else begin(trajectory, noise)
    *_, last = sampler(Perfect(PREDICTIONS[prediction]()), start, trajectory, seeds)
    return last.x


def from_nothing(trajectory: Trajectory) -> bool:
    return float(trajectory.levels[0].alpha) == 0


@pytest.mark.parametrize("spec", SAMPLERS)
def test_every_cell_runs_or_is_refused_with_a_reason(spec: str) -> None:
    ran = 0
    for spacing in SPACINGS:
        for schedule in SCHEDULES:
            if isinstance(trajectory := laid(spacing, schedule), Refused):
                continue
            for prediction in PREDICTIONS:
                cell = f"{spec} x {spacing} x {prediction} x {schedule}"
                if prediction == "epsilon" and from_nothing(trajectory):
                    with pytest.raises(Refused, match="predicts noise cannot start"):
                        end(spec, prediction, trajectory)
                    continue
                x = end(spec, prediction, trajectory)
                top = float(trajectory.levels[0].sigma) if upward(SAMPLERS.make(spec)) else 1.0
                assert x.isfinite().all(), cell
                assert float(x.abs().max()) < SPREAD * top, f"{cell}: {float(x.abs().max()):.3g}"
                ran += 1
    assert ran > 400


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_schedule_that_a_spacing_does_not_fit_is_refused_with_the_remedy(spacing: str) -> None:
    refusals = [found for name in SCHEDULES if isinstance(found := laid(spacing, name), Refused)]
    assert len(refusals) < len(SCHEDULES)
    assert all(refused.remedy and refused.field for refused in refusals)
