"""Options may be any number: where their powers overflow, a run is refused, and no picture is made of it."""

import pytest
import torch

from unnoise import Generate, Refused, library
from unnoise.cli._cost import cost
from unnoise.cli._sketch import Sketch
from unnoise.core.level import shared
from unnoise.core.state import State
from unnoise.tasks._sound import finite

OVERFLOWING = [
    ({"sampler": "euler_ancestral:eta=1e308"}, "sampler"),
    ({"sampler": "dpm_adaptive:icoeff=1e22"}, "sampler"),
    ({"guidance": "classifier_free:scale=1e308"}, "sampler"),
    ({"guidance": "classifier_free:scale=1e38", "steps": 3}, "sampler"),
    ({"spacing": "dynamic:base=1e22"}, "spacing"),
    ({"spacing": "shifted:shift=1e-320"}, "spacing"),
]


@pytest.fixture(scope="module")
def shelf(tiny_model):
    return library({"tiny": str(tiny_model)}, device="cpu")


def ask(**fields):
    return Generate(**{"prompt": "a red fox", "model": "tiny", "seed": 1, "steps": 2} | fields)


@pytest.mark.parametrize(("fields", "field"), OVERFLOWING)
def test_options_that_overflow_are_refused(shelf, fields, field):
    with pytest.raises(Refused, match="not finite") as refused:
        list(ask(**fields).run(shelf))
    assert refused.value.field == field and refused.value.remedy


def test_a_plan_refuses_them_as_the_run_does(shelf):
    for fields in (OVERFLOWING[0][0], OVERFLOWING[4][0]):
        with pytest.raises(Refused, match="not finite"):
            cost(ask(**fields).plan(shelf.describe("tiny")), "tiny", Sketch(shelf), "cpu")


def test_the_step_is_told_and_other_faults_are_left_alone(shelf):
    plan = ask().plan(shelf.describe("tiny"))
    level, good = shared(0.5, 0.5, 0.5), torch.zeros(1, 3, 4, 4)

    def states(last):
        yield State(good, level, 4)
        if isinstance(last, Exception):
            raise last
        yield State(last, level, 5)

    for wrong in (good / 0, good + torch.inf):
        with pytest.raises(Refused, match="by step 5"):
            list(finite(states(wrong), plan))
    with pytest.raises(RuntimeError, match="shapes"):
        list(finite(states(RuntimeError("shapes do not match")), plan))
    assert len(list(finite(states(good), plan))) == 2
