"""Registries: a folder is a mapping, and a spec is a name with options."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.core.registry import UnknownName, fold
from unnoise.guidances import GUIDANCES
from unnoise.samplers import SAMPLERS
from unnoise.samplers.ddim import DDIM
from unnoise.samplers.ddpm import DDPM
from unnoise.samplers.euler_ancestral import EulerAncestral
from unnoise.samplers.heun import Heun
from unnoise.spacings import SPACINGS
from unnoise.spacings.leading import Leading
from unnoise.spacings.linspace import Linspace
from unnoise.spacings.listed import Listed

registries = pytest.mark.parametrize("registry", [SAMPLERS, SPACINGS, GUIDANCES], ids=lambda r: r.word)


@registries
def test_every_file_is_an_entry_that_can_be_made_and_says_what_it_is(registry):
    assert len(registry) == len(list(registry)) > 0
    for name in registry:
        assert not name.startswith("_") and name in registry
        assert type(registry.make(name)) is registry[name]
        assert registry.summary(name).endswith(".") and "\n" not in registry.summary(name)
    assert "__init__" not in registry and "_rows" not in registry


@registries
def test_every_other_name_leads_somewhere(registry):
    for alias, spec in registry.aliases.items():
        assert type(registry.make(alias)) is registry[spec.partition(":")[0]]


@pytest.mark.parametrize(
    ("spec", "made"),
    [
        ("ddim", DDIM()),
        ("ddim:eta=0.5", DDIM(0.5)),
        ("DDIM:eta=0.5", DDIM(0.5)),
        (" ddim : eta = 0.5 ", DDIM(0.5)),
        ("Euler a", EulerAncestral()),
        ("euler A:eta=0.5, s_noise=1", EulerAncestral(0.5, 1.0)),
        ("EulerAncestralDiscreteScheduler", EulerAncestral()),
        ("Heun", Heun()),
        ("k_heun", Heun("ratio")),
        ("HeunDiscreteScheduler", Heun("ratio")),
        ("HeunDiscreteScheduler:form=path", Heun("path")),
        ("ddpm:variance=large", DDPM("large")),
    ],
)
def test_a_sampler_answers_to_its_names(spec, made):
    assert SAMPLERS.make(spec) == made


def test_options_are_of_their_fields_types():
    assert SPACINGS.make("leading:offset=1,start=unit,end=row") == Leading(1, "unit", "row")
    assert SPACINGS.make("linspace:rounded=true") == Linspace(True)
    assert SPACINGS.make("linspace:rounded=no") == Linspace(False)
    assert SPACINGS.make("listed:sigmas=14.6 7;0.3") == Listed((14.6, 7.0, 0.3))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("ddim:etta=1", "no option 'etta=1'.*eta"),
        ("ddim:eta", "no option 'eta'"),
        ("ddim:etta=1", "did you mean 'eta'\\? its options are eta"),
        ("sa_solver:prdictor=1", "did you mean 'predictor'\\? its options are"),
        ("euler:eta=1", "it has no options"),
        ("ddim:eta=much", "'much' is no number"),
        ("ddim:eta=nan", "no finite number"),
        ("ddim:eta=1e999", "no finite number"),
        ("ddim:eta=0,eta=1", "eta twice"),
        ("heun:form=square", "one of path, ratio"),
    ],
)
def test_what_an_entry_cannot_do_is_refused(spec, says):
    with pytest.raises(Refused, match=says) as refusal:
        SAMPLERS.make(spec)
    assert refusal.value.field == "sampler"


def test_values_that_are_parted_by_commas_are_told_how():
    with pytest.raises(Refused, match=r"sigmas: a comma ends it: part its values by spaces"):
        SPACINGS.make("listed:sigmas=14.6,7,0.3")
    with pytest.raises(Refused, match=r"no option '7'"):
        SPACINGS.make("karras:rho=5,7")


def test_options_of_other_types_are_refused_too():
    with pytest.raises(Refused, match="true or false"):
        SPACINGS.make("linspace:rounded=maybe")
    with pytest.raises(Refused, match=r"'1\.5' is no number"):
        SPACINGS.make("leading:offset=1.5")


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownName, match=r"did you mean 'euler'\?"):
        SAMPLERS.make("eulr")
    with pytest.raises(KeyError, match=r"there is no sampler 'nothing like it': one of ddim"):
        SAMPLERS["nothing like it"]


def test_a_name_that_people_know_is_suggested_as_they_spell_it():
    with pytest.raises(UnknownName, match=r"did you mean 'DPM\+\+ 2M SDE Heun'\?"):
        SAMPLERS.make("DPM++ 2M SDE Hoin")
    with pytest.raises(UnknownName, match=r"did you mean 'cfg'\?"):
        GUIDANCES.make("cgf")


@given(st.text(max_size=40))
def test_no_text_brings_anything_but_a_sampler_or_a_refusal(text):
    try:
        made = SAMPLERS.make(text)
    except Refused:
        return
    assert type(made) in SAMPLERS.values()


@given(st.sampled_from(sorted(SAMPLERS)), st.text(max_size=30))
def test_no_options_bring_anything_but_a_sampler_or_a_refusal(name, text):
    try:
        assert isinstance(SAMPLERS.make(f"{name}:{text}"), SAMPLERS[name])
    except Refused as refusal:
        assert refusal.what


def test_fold_forgets_case_spaces_and_dashes():
    assert fold("DPM++ 2M") == fold("dpm++_2m") == "dpm++2m"
