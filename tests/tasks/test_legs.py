"""A record's run again: from its record alone, to any step, and only as it was."""

from dataclasses import replace

import pytest
import torch

from unnoise import Generate, Progress, Refused, Result, library
from unnoise.tasks._legs import halted, rerun


@pytest.fixture(scope="module")
def shelf(tiny_model):
    return library({"tiny": str(tiny_model)}, device="cpu")


@pytest.fixture(scope="module")
def whale(shelf):
    """A picture that two requests made, step by step."""
    fox = Generate(prompt="a red fox", model="tiny", seed=7, steps=6, sampler="euler_ancestral")
    start = next(e for e in fox.run(shelf) if isinstance(e, Progress) and e.step == 3).paused()
    return list(replace(fox, prompt="a blue whale", start=shelf.register(start)).run(shelf))


def test_a_record_alone_makes_its_picture_again(shelf, whale, tiny_model):
    again = list(rerun(whale[-1].record, library({"tiny": str(tiny_model)}, device="cpu")))
    assert [type(e) for e in again] == [Progress] * 3 + [Result]
    assert torch.equal(again[-1].latent, whale[-1].latent)


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_run_is_halted_at_any_step_of_any_request(shelf, whale, step):
    paused = halted(whale[-1].record, shelf, step)
    assert paused.state.step == step and paused.record.trail == whale[-1].record.trail[:step]
    assert len(paused.record.past) == (step > 3)


def test_a_run_that_ends_before_is_refused(shelf, whale):
    with pytest.raises(Refused, match="before step 99"):
        halted(whale[-1].record, shelf, 99)


def test_a_state_without_its_past_is_refused(shelf, whale):
    with pytest.raises(Refused, match="went on from a state"):
        list(rerun(replace(whale[-1].record, past=()), shelf))
