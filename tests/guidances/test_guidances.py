"""Guidances: formulas of their papers, what they need at each level, and where they cost nothing."""

from dataclasses import replace

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import nn

from unnoise.core.clock import Scaled
from unnoise.core.condition import Condition, condition
from unnoise.core.denoiser import Denoiser
from unnoise.core.error import Refused
from unnoise.core.guidance import Guided, Stepped
from unnoise.core.level import shared
from unnoise.core.prediction import PREDICTIONS
from unnoise.core.schedule import Rectified
from unnoise.guidances import GUIDANCES
from unnoise.guidances.auto import Auto
from unnoise.guidances.classifier_free import ClassifierFree
from unnoise.guidances.energy import Energy
from unnoise.guidances.interval import Interval
from unnoise.guidances.per_step import PerStep
from unnoise.guidances.rescaled import Rescaled
from unnoise.spacings.uniform import Uniform

LEVEL = shared(0.5, 0.6, 0.8)
scales = st.floats(0, 20)


def guesses(seed=0, shape=(2, 3, 4, 4)):
    draw = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, dtype=torch.float64, generator=draw) for name in ("positive", "negative")}


def combined(guidance, found, level=LEVEL):
    return guidance({n: found[n] for n in guidance.needs(level)}, torch.zeros(()), level)


@given(scales)
def test_classifier_free_is_equation_6(scale):
    """(1 + w) positive - w negative, with scale = 1 + w."""
    found = guesses()
    expected = scale * found["positive"] - (scale - 1) * found["negative"]
    torch.testing.assert_close(combined(ClassifierFree(scale), found), expected)


def test_scale_1_is_the_prompt_alone_and_0_the_negative_s():
    found = guesses()
    assert ClassifierFree(1.0).needs(LEVEL) == ("positive",)
    assert torch.equal(combined(ClassifierFree(1.0), found), found["positive"])
    torch.testing.assert_close(combined(ClassifierFree(0.0), found), found["negative"])


@example(scale=4.0, t=0.2)
@example(scale=4.0, t=0.7)
@given(scale=scales, t=st.floats(0, 1))
def test_an_interval_is_classifier_free_inside_and_the_prompt_alone_outside(scale, t):
    guidance, found, level = Interval(scale, 0.2, 0.7), guesses(), shared(t, 1 - t, t)
    inside = 0.2 <= t <= 0.7
    assert guidance.needs(level) == (("positive", "negative") if inside and scale != 1 else ("positive",))
    expected = combined(ClassifierFree(scale), found) if inside else found["positive"]
    torch.testing.assert_close(combined(guidance, found, level), expected)


@given(st.floats(1, 20), st.floats(0, 1))
def test_rescaled_is_equations_15_and_16(scale, factor):
    found = guesses(1)
    plain = combined(ClassifierFree(scale), found)
    for i in range(2):
        spread = found["positive"][i].std() / plain[i].std()
        expected = factor * plain[i] * spread + (1 - factor) * plain[i]
        torch.testing.assert_close(combined(Rescaled(scale, factor), found)[i], expected)


def test_full_rescaling_keeps_each_sample_s_spread():
    found = guesses(2)
    full = combined(Rescaled(7.0, 1.0), found)
    torch.testing.assert_close(full.std((1, 2, 3)), found["positive"].std((1, 2, 3)))
    torch.testing.assert_close(combined(Rescaled(7.0, 0.0), found), combined(ClassifierFree(7.0), found))


def test_an_output_of_no_spread_stays_as_it_is():
    """A network fresh from its initialisation gives zeros; their picture is grey, not NaN."""
    flat = {name: torch.full((2, 3, 4, 4), value) for name, value in (("positive", 0.0), ("negative", 0.5))}
    torch.testing.assert_close(combined(Rescaled(3.0), flat), torch.full((2, 3, 4, 4), -1.0))


@condition
class Word(Condition):
    value: torch.Tensor


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.float64 = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.calls = 0

    def forward(self, x, time, condition):
        self.calls += len(x)
        return torch.sin(x) * condition.value.reshape(-1, 1, 1, 1)


def guided(combine, prediction="v"):
    denoiser = Denoiser(Net(), PREDICTIONS[prediction](), Scaled())
    words = {"positive": 2.0, "negative": -1.0}
    return Guided({n: denoiser.bind(Word(value=torch.full((2,), v))) for n, v in words.items()}, combine)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_guiding_the_data_is_guiding_the_output_where_the_guidance_is_linear(prediction):
    """All predictions are affine in the output, so a lerp of one is the lerp of the other; rescaling is not."""
    x, guide = guesses()["positive"], guided(ClassifierFree(5.0), prediction)
    outputs = guide.outputs(x, LEVEL, ("positive", "negative"))
    output = torch.lerp(outputs["negative"], outputs["positive"], 5.0)
    torch.testing.assert_close(guide(x, LEVEL), PREDICTIONS[prediction]()(LEVEL).data(x, output))


@pytest.mark.parametrize("prediction", ["epsilon", "v", "flow"])
def test_rescaling_works_on_the_output(prediction):
    x, guide = guesses()["positive"], guided(Rescaled(5.0, 1.0), prediction)
    outputs = guide.outputs(x, LEVEL, ("positive", "negative"))
    expected = combined(Rescaled(5.0, 1.0), outputs)
    torch.testing.assert_close(guide(x, LEVEL), PREDICTIONS[prediction]()(LEVEL).data(x, expected))


def test_outside_an_interval_the_negative_branch_is_not_run():
    guide, x = guided(Interval(4.0, 0.4, 0.6)), guesses()["positive"]
    network = guide.branches["positive"].denoiser.network
    guide(x, shared(0.9, 0.1, 0.9))
    assert network.calls == 2
    guide(x, LEVEL)
    assert network.calls == 2 + 4


MADE = {name: GUIDANCES[name]() for name in GUIDANCES} | {
    "auto": Auto("weak"),
    "per_step": PerStep((4.0, 1.0, 2.0, 3.0)),
    "energy": Energy(lambda data: data.square().flatten(1).sum(1), through=False),
}


def begun(name):
    """The guidance as a run has it: one of its own, which knows the levels."""
    made = replace(MADE[name])
    return made.along(Uniform()(Rectified(), 4)) if isinstance(made, Stepped) else made


@pytest.mark.parametrize("name", GUIDANCES)
@pytest.mark.parametrize("t", [1.0, 0.8, 0.5, 0.01])
def test_every_guidance_keeps_shape_dtype_and_finiteness(name, t):
    level, draw = shared(t, 1 - t, t), torch.Generator().manual_seed(0)
    found = {n: torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=draw) for n in MADE[name].branches}
    for dtype in (torch.float32, torch.float64):
        guidance = begun(name)
        assert set(guidance.needs(level)) <= set(guidance.branches)
        out = combined(guidance, {k: v.to(dtype) for k, v in found.items()}, level)
        assert out.shape == (2, 3, 4, 4) and out.dtype == dtype and out.isfinite().all()
        zeros = combined(guidance, {k: torch.zeros_like(v).to(dtype) for k, v in found.items()}, level)
        assert zeros.isfinite().all()
        assert guidance.space in ("data", "output", "flow")


@pytest.mark.parametrize("name", [n for n in GUIDANCES if n not in ("energy", "per_step")])
def test_guesses_that_agree_stay_as_they_are(name):
    """Whatever pulls guesses apart, there is nothing to pull where they are one."""
    one, level = guesses(5)["positive"], shared(0.3, 0.7, 0.3)
    torch.testing.assert_close(combined(begun(name), dict.fromkeys(MADE[name].branches, one), level), one)


@pytest.mark.parametrize(("low", "high"), [(0.8, 0.2), (1.0, 0.0)])
def test_an_interval_without_a_level_is_refused(low, high):
    with pytest.raises(Refused, match="no time lies between") as refusal:
        Interval(4.0, low, high)
    assert refusal.value.field == "guidance"


@pytest.mark.parametrize("maker", [ClassifierFree, Interval, Rescaled])
def test_at_scale_1_no_guidance_asks_for_a_negative_branch(maker):
    assert tuple(maker(1.0).branches) == maker(1.0).needs(LEVEL) == ("positive",)
    found = guesses(3)
    torch.testing.assert_close(combined(maker(1.0), found), found["positive"])
