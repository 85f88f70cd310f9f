"""A run of so many minutes has the steps that fit into them, and finding out changes nothing in it."""

from dataclasses import replace

import pytest
import torch

from train import tiny
from unnoise.core.error import Refused
from unnoise.train import pace
from unnoise.train.pace import paced
from unnoise.train.trainer import Trainer


class Clock:
    """A second goes by with each step."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made, whole = Clock(), Trainer.steps

    def steps(self: Trainer):
        for report in whole(self):
            made.now += 60.0 if report.step <= pace.FIRST else 1.0
            yield report

    monkeypatch.setattr(pace, "time", made)
    monkeypatch.setattr(Trainer, "steps", steps)
    return made


@pytest.mark.parametrize(("minutes", "steps"), [(1.0, 54), (10.0, 540), (0.001, 1)])
def test_steps_that_fit_less_a_tenth_whatever_the_first_ones_take(clock: Clock, minutes: float, steps: int) -> None:
    run = tiny.run(steps=7)
    assert paced(run, minutes).steps == steps
    assert clock.now == 60.0 * pace.FIRST + pace.SECONDS
    assert paced(run, minutes) == replace(run, steps=steps)


@pytest.mark.usefixtures("clock")
def test_the_run_itself_is_untouched() -> None:
    run = tiny.run()
    before = {k: v.clone() for k, v in run.subject.model.denoiser.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    paced(run, 1.0)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in run.subject.model.denoiser.state_dict().items())


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("inf"), float("nan")])
def test_no_time_is_refused(minutes: float) -> None:
    with pytest.raises(Refused, match="give a time above 0"):
        paced(tiny.run(), minutes)
