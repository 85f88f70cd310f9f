"""Guidances beside diffusers' guiders, live: the functions they combine guesses by."""

import warnings
from types import ModuleType

import pytest
import torch

from unnoise.core.level import shared
from unnoise.core.schedule import Rectified
from unnoise.guidances.apg import APG
from unnoise.guidances.perturbed import Perturbed
from unnoise.guidances.skip_layer import SkipLayer
from unnoise.guidances.zero_star import ZeroStar
from unnoise.spacings.uniform import Uniform

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own
LEVEL = shared(0.5, 0.5, 0.5)


@pytest.fixture(scope="module")
def guiders() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of optional packages
        return pytest.importorskip("diffusers.guiders", reason="diffusers, the peer compared with, has no guiders")


def guesses(*names):
    draw = torch.Generator().manual_seed(0)
    return {n: torch.randn(2, 3, 4, 4, generator=draw) for n in names}


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("momentum", [0.0, -0.5])
@pytest.mark.parametrize("threshold", [0.0, 2.5, 15.0])
def test_apg_is_its_normalized_guidance(guiders, eta, momentum, threshold):
    """Its original formulation, cond + s update, with s = scale - 1, as the paper has it."""
    theirs = guiders.adaptive_projected_guidance
    buffer, ours = theirs.MomentumBuffer(momentum) if momentum else None, APG(7.0, eta, momentum, threshold)
    for _ in range(3):
        found = guesses("positive", "negative")
        expected = theirs.normalized_guidance(
            found["positive"], found["negative"], 6.0, buffer, eta, threshold, use_original_formulation=True
        )
        torch.testing.assert_close(ours(found, torch.zeros(()), LEVEL), expected, atol=1e-5, rtol=1e-5)


def test_apg_s_other_formulation_differs_by_what_its_parts_change(guiders):
    """With eta = 0 and uncond + scale update, diffusers' default drops all of the difference along the prompt's guess,
    the one step from the negative guess to the prompt's included; the paper (algorithm 1) starts at the prompt's.
    """
    theirs, found = guiders.adaptive_projected_guidance, guesses("positive", "negative")
    default = theirs.normalized_guidance(found["positive"], found["negative"], 7.0, eta=0.0)
    ours = APG(7.0, 0.0, 0.0, 0.0)(found, torch.zeros(()), LEVEL)
    apart, axes = found["positive"] - found["negative"], (1, 2, 3)
    along = (apart * found["positive"]).sum(axes, keepdim=True) / found["positive"].square().sum(axes, keepdim=True)
    torch.testing.assert_close(ours - default, along * found["positive"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1.0, 4.0])
def test_zero_star_is_its_optimised_scale(guiders, scale):
    theirs, found = guiders.classifier_free_zero_star_guidance, guesses("positive", "negative")
    s = theirs.cfg_zero_star_scale(found["positive"].flatten(1), found["negative"].flatten(1))[:, :, None, None]
    expected = s * found["negative"] + scale * (found["positive"] - s * found["negative"])
    ours = ZeroStar(scale).along(Uniform()(Rectified(), 4))(found, torch.zeros(()), LEVEL)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "maker", "branch"),
    [("SkipLayerGuidance", SkipLayer, "skipped"), ("PerturbedAttentionGuidance", Perturbed, "apart")],
)
def test_weakened_views_are_weighed_as_it_does(guiders, name, maker, branch):
    options = {"skip_layer_guidance_layers": [0]} if maker is SkipLayer else {"perturbed_guidance_layers": [0]}
    weight = {f"{'skip_layer' if maker is SkipLayer else 'perturbed'}_guidance_scale": 2.8}
    stop = {f"{'skip_layer' if maker is SkipLayer else 'perturbed'}_guidance_{k}": v for k, v in (("stop", 1.0),)}
    guider = getattr(guiders, name)(guidance_scale=5.0, **options, **weight, **stop)
    guider._step, guider._num_inference_steps = 5, 10
    found = guesses("positive", "negative", branch)
    theirs = guider.forward(found["positive"], found["negative"], found[branch])
    ours = maker(5.0, 2.8)(found, torch.zeros(()), LEVEL)
    torch.testing.assert_close(ours, getattr(theirs, "pred", theirs), atol=1e-5, rtol=1e-5)
