"""What a plan makes of samplers' names and of guidances: understood, or refused with the field and what would do."""

from dataclasses import replace

import pytest

from unnoise import Generate, Refused
from unnoise.core.description import Description
from unnoise.samplers import SAMPLERS
from unnoise.spacings import SPACINGS

FREE = Description(name="m", family="native", width=64, height=48, multiple=8)
NONE, EMBEDDED = replace(FREE, guidance="none"), replace(FREE, guidance="embedded")


def plan(model=FREE, **fields):
    return Generate(**({"prompt": "x"} | fields)).plan(model)


@pytest.mark.parametrize(
    ("name", "sampler", "spacing"),
    [
        ("DPM++ 2M SDE Karras", SAMPLERS.resolve("DPM++ 2M SDE"), "karras"),
        ("DPM++ 2M Karras:rho=5", "dpmpp_2m", "karras:rho=5"),
        ("DPM++ 2M SGM Uniform", "dpmpp_2m", "sgm_uniform"),
        ("DPM++ 2M Align Your Steps", "dpmpp_2m", "align_your_steps"),
        ("Euler AYS SDXL", "euler", "align_your_steps:model=sdxl"),
        ("Euler a KL Optimal", "euler_ancestral", "kl_optimal"),
        ("euler sgm_uniform", "euler", "sgm_uniform"),
        ("UniPC DDIM Uniform", "unipc", "leading:offset=1"),
        ("Euler Beta", "euler", "beta"),
        ("Heun Normal", "heun", "linspace"),
        ("Euler  linear quadratic", "euler", "linear_quadratic"),
        ("Euler a", "euler_ancestral", ""),
    ],
)
def test_a_sampler_s_name_may_end_in_any_spacing_s(name, sampler, spacing):
    made = plan(sampler=name)
    assert (made.sampler, made.spacing) == (sampler, spacing)
    assert plan(sampler=name, spacing="uniform").spacing == "uniform"


@pytest.mark.parametrize("spacing", [n for name in SPACINGS for n in (name, *SPACINGS.other_names(name))])
def test_every_name_of_every_spacing_can_stand_behind_a_sampler_s(spacing):
    made = plan(sampler=f"DPM++ 2M {spacing}")
    assert (made.sampler, made.spacing) == ("dpmpp_2m", SPACINGS.resolve(spacing))
    assert plan(spacing=spacing).spacing == SPACINGS.resolve(spacing)


@pytest.mark.parametrize("name", ["Euler Nope", "Nope Karras", "Karras", "Karras Euler", "", " "])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(Refused, match="there is no sampler") as refusal:
        plan(sampler=name)
    assert refusal.value.field == "sampler"


CFGPP = "euler_cfg_pp"


@pytest.mark.parametrize(
    ("model", "fields", "said", "field"),
    [
        (FREE, {"sampler": "ddim_inverse"}, "walks from a picture to noise", "sampler"),
        (NONE, {"sampler": CFGPP}, "no free branch for the sampler", "sampler"),
        (EMBEDDED, {"sampler": CFGPP, "guidance": 1}, "no free branch for the sampler", "sampler"),
        (NONE, {"guidance": "apg"}, "no free branch for guidance", "guidance"),
        (EMBEDDED, {"guidance": "perturbed"}, "no free branch for guidance", "guidance"),
        (FREE, {"guidance": "auto"}, "needs a weak model", "guidance"),
        (FREE, {"guidance": "energy"}, "Python function", "guidance"),
        (FREE, {"guidance": "dual"}, "weighs a picture", "guidance"),
        (FREE, {"guidance": "per_step"}, "needs its scales", "guidance"),
        (FREE, {"guidance": "perp_neg"}, "there is none", "negative"),
        (FREE, {"guidance": "interval:scale=1"}, "changes nothing", "guidance"),
        (FREE, {"guidance": "apg:scale=1"}, "changes nothing", "guidance"),
        (FREE, {"guidance": "auto:model=weak", "negative": "dog"}, "no effect with the guidance 'auto", "negative"),
        (FREE, {"guidance": "perturbed:scale=1", "negative": "dog"}, "no effect with the guidance", "negative"),
        (FREE, {"guidance": "perturbed:strength=0"}, "change nothing", "guidance"),
        (FREE, {"guidance": "apg:rescale=1"}, "no option 'rescale=1'", "guidance"),
    ],
)
def test_what_cannot_be_honoured_is_refused(model, fields, said, field):
    with pytest.raises(Refused, match=said) as refusal:
        plan(model, **fields)
    assert refusal.value.field == field and refusal.value.remedy


@pytest.mark.parametrize("model", [NONE, EMBEDDED])
@pytest.mark.parametrize("spec", ["auto:model=weak", "perturbed:scale=1", "skip_layer:scale=1", "1"])
def test_guidances_without_a_free_branch_suit_every_model(model, spec):
    own = "embedded:scale=1" if model is EMBEDDED else "classifier_free:scale=1"
    assert plan(model, guidance=spec).guidance == (own if spec == "1" else spec)


def test_a_number_is_what_a_network_that_reads_its_guidance_is_told():
    default = replace(EMBEDDED, defaults={"guidance": 3.5})
    assert plan(default).guidance == "embedded:scale=3.5"
    assert plan(default, guidance=2).guidance == plan(default, guidance="embedded:scale=2").guidance
    with pytest.raises(Refused, match="--guidance classifier_free:scale=2") as refusal:
        plan(default, guidance=2, negative="dog")
    assert refusal.value.field == "negative"


def test_two_calls_guide_a_network_that_reads_its_guidance_only_where_they_are_asked_for_by_name():
    made = plan(EMBEDDED, guidance="cfg:scale=2", negative="dog")
    assert (made.guidance, made.negative) == ("classifier_free:scale=2", "dog")


@pytest.mark.parametrize("model", [FREE, NONE])
def test_other_networks_are_told_no_guidance(model):
    with pytest.raises(Refused, match="reads no guidance") as refusal:
        plan(model, guidance="embedded:scale=3")
    assert refusal.value.field == "guidance"


def test_a_guidance_is_kept_by_its_own_name():
    assert plan(guidance="PAG:scale=2").guidance == "perturbed:scale=2"
    assert plan(guidance="cfg:scale=3").guidance == "classifier_free:scale=3"
    assert plan(guidance="perp-neg", negative="dog").guidance == "perp_neg"


def test_a_sampler_that_follows_the_free_branch_gives_a_negative_prompt_its_effect_at_guidance_1():
    assert plan(guidance=1, negative="dog", sampler=CFGPP).guidance == "classifier_free:scale=1"
