"""A scale a step: which level has which, and what a wrong list says."""

import pytest
import torch

from unnoise.core.error import Refused
from unnoise.core.level import shared
from unnoise.core.schedule import Rectified
from unnoise.guidances import GUIDANCES
from unnoise.guidances.classifier_free import ClassifierFree
from unnoise.guidances.per_step import PerStep
from unnoise.spacings.karras import Karras
from unnoise.spacings.uniform import Uniform

SCALES = (7.0, 1.0, 3.0, 0.5)


@pytest.mark.parametrize("spacing", [Uniform(), Karras()])
def test_each_step_has_its_scale_and_levels_within_it_too(spacing):
    trajectory = spacing(Rectified(), 4)
    guidance = PerStep(SCALES).along(trajectory)
    draw = torch.Generator().manual_seed(0)
    found = {n: torch.randn(2, 3, dtype=torch.float64, generator=draw) for n in ("positive", "negative")}
    for now, to, scale in zip(trajectory.levels, trajectory.levels[1:], SCALES, strict=False):
        middle = float(now.t + to.t) / 2
        for level in (now, shared(middle, 1 - middle, middle)):
            needed = guidance.needs(level)
            assert needed == (("positive",) if scale == 1 else ("positive", "negative"))
            expected = ClassifierFree(scale)({n: found[n] for n in needed}, torch.zeros(()), level)
            torch.testing.assert_close(guidance({n: found[n] for n in needed}, torch.zeros(()), level), expected)


def test_it_is_spelled_on_a_command_line():
    assert GUIDANCES.make("per_step:scales=7 1 3;0.5") == PerStep(SCALES)


@pytest.mark.parametrize("steps", [3, 5])
def test_a_list_of_another_length_is_refused(steps):
    with pytest.raises(Refused, match=f"4 scales of guidance are listed for {steps} steps") as refusal:
        PerStep(SCALES).along(Uniform()(Rectified(), steps))
    assert refusal.value.field == "guidance"


def test_no_list_is_refused():
    with pytest.raises(Refused, match="needs its scales"):
        _ = PerStep().branches


def test_scales_of_1_alone_ask_for_no_negative_branch():
    assert tuple(PerStep((1.0, 1.0)).branches) == ("positive",)
