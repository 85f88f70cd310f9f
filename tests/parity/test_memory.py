"""A model that is larger than the memory it may take gives the same picture, and a plan knows what it takes."""

import json

import pytest
import torch

from cli import conftest
from parity import pipes
from parity.pipes import Run, ours

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own


folder, unnoise = conftest.folder, conftest.unnoise
"""Fixtures: a folder to be in, and the command line as a function."""


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """A tiny pipeline, stored in float16."""
    made = pipes.sd1(scheduler=pipes.peers()[0].EulerDiscreteScheduler(**pipes.TABLE)).to(torch.float16)
    return pipes.saved_in(tmp_path_factory.mktemp("half") / "model", made)[1]


def test_weights_that_stay_in_their_file_give_the_same_numbers(half, tmp_path):
    free, bound = (ours(tmp_path, half, Run(steps=3), *more) for more in ((), ("--memory", "1MB")))
    assert torch.equal(free[0], bound[0]) and torch.equal(free[1], bound[1])


def test_a_plan_tells_what_stays(half, unnoise):
    def memory(*more):
        said = unnoise("plan", "generate", "a fox", "--model", half, "--steps", 2, "--json", *more)
        return json.loads(said.lines[-1])["memory"]

    free, bound = memory(), memory("--memory", "1MB")
    assert bound["weights"] < free["weights"]
    assert bound["step"] >= free["step"]


def test_an_amount_that_is_none_is_refused(half, unnoise):
    assert "no amount of memory" in unnoise("generate", "x", "--model", half, "--memory", "lots").refusal()
