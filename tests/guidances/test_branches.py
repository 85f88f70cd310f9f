"""Guidances with branches of their own: autoguidance, weakened views, dual and Perp-Neg, each by its formula."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.branch import Branch, View
from unnoise.core.error import Refused
from unnoise.core.level import shared
from unnoise.guidances.auto import Auto
from unnoise.guidances.classifier_free import ClassifierFree
from unnoise.guidances.dual import Dual
from unnoise.guidances.perp_neg import PerpNeg
from unnoise.guidances.perturbed import Perturbed
from unnoise.guidances.skip_layer import SkipLayer

LEVEL = shared(0.5, 0.6, 0.8)
scales = st.floats(0, 20)
weakened = pytest.mark.parametrize(("maker", "name"), [(Perturbed, "apart"), (SkipLayer, "skipped")])


def guesses(*names):
    draw = torch.Generator().manual_seed(0)
    return {n: torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=draw) for n in names}


def combined(guidance, found, level=LEVEL):
    return guidance({n: found[n] for n in guidance.needs(level)}, torch.zeros(()), level)


@given(scales)
def test_autoguidance_is_the_paper_s_extrapolation(scale):
    found = guesses("positive", "weak")
    expected = scale * found["positive"] + (1 - scale) * found["weak"]
    torch.testing.assert_close(combined(Auto("small", scale), found), expected)


def test_autoguidance_names_its_model_and_needs_one():
    assert Auto("small").branches["weak"] == Branch(model="small")
    assert Auto("small", 1.0).needs(LEVEL) == ("positive",)
    with pytest.raises(Refused, match="auto:model=NAME") as refusal:
        _ = Auto().branches
    assert refusal.value.field == "guidance"


@weakened
@given(scale=scales, strength=st.floats(0.1, 5))
def test_weakened_views_are_pushed_away_from_beside_classifier_free_guidance(maker, name, scale, strength):
    found = guesses("positive", "negative", name)
    plain = combined(ClassifierFree(scale), found)
    expected = plain + strength * (found["positive"] - found[name])
    torch.testing.assert_close(combined(maker(scale, strength), found), expected)


@weakened
def test_weakened_views_name_their_layers_and_work_between_their_times(maker, name):
    change = name
    assert maker(layers=(7, 8)).branches[name] == Branch(view=View(change, (7, 8)))
    guidance = maker(1.0, low=0.2, high=0.6)
    assert guidance.needs(shared(0.7, 0.3, 0.7)) == ("positive",) and guidance.needs(LEVEL) == ("positive", name)
    found = guesses("positive", "negative", name)
    assert torch.equal(combined(guidance, found, shared(0.1, 0.9, 0.1)), found["positive"])
    for useless in ({"strength": 0.0}, {"low": 0.7, "high": 0.2}):
        with pytest.raises(Refused, match="change nothing"):
            maker(**useless)


@given(scales, scales)
def test_dual_is_the_paper_s_equation_3(scale, image_scale):
    found = guesses("positive", "picture", "free")
    free, picture, both = found["free"], found["picture"], found["positive"]
    expected = free + image_scale * (picture - free) + scale * (both - picture)
    torch.testing.assert_close(combined(Dual(scale, image_scale), found), expected)


@given(scales)
def test_dual_with_equal_scales_is_classifier_free_from_the_free_branch(scale):
    found = guesses("positive", "picture", "free")
    plain = combined(ClassifierFree(scale), {"positive": found["positive"], "negative": found["free"]})
    torch.testing.assert_close(combined(Dual(scale, scale), found), plain if scale != 1 else found["positive"])


def test_dual_s_branches_differ_in_words_and_pictures():
    seen = {n: (b.words, b.pictures) for n, b in Dual().branches.items()}
    assert seen == {"positive": ("prompt", True), "picture": ("negative", True), "free": ("negative", False)}


@given(scales, st.floats(0.1, 3))
def test_perp_neg_takes_away_what_is_across(scale, weight):
    found = guesses("positive", "negative", "free")
    out = combined(PerpNeg(scale, weight), found)
    for k in range(2):
        free = found["free"][k].flatten()
        want, away = found["positive"][k].flatten() - free, found["negative"][k].flatten() - free
        across = away - (away @ want) / (want @ want) * want
        torch.testing.assert_close(out[k].flatten(), free + scale * (want - weight * across))
        torch.testing.assert_close((out[k].flatten() - free) @ want, scale * (want @ want))  # the prompt loses nothing


def test_perp_neg_with_a_negative_prompt_along_the_prompt_is_classifier_free():
    """The overlap that plain negative prompts fight over: nothing of it is taken away."""
    found = guesses("positive", "free")
    found["negative"] = found["free"] + 0.7 * (found["positive"] - found["free"])
    plain = found["free"].lerp(found["positive"], 5.0)
    torch.testing.assert_close(combined(PerpNeg(5.0), found), plain)
    with pytest.raises(Refused, match="greater than 0"):
        PerpNeg(weight=0.0)
