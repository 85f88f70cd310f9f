"""What is written beside tensors for other programs: our own readers know it, and it says what the family says."""

from pathlib import Path

import pytest

from unnoise.core.error import Refused
from unnoise.families import FAMILIES, flux, sd3
from unnoise.families._converted import target_of
from unnoise.families._folder import NETWORKS, PIPELINES, SETTINGS, TOKENIZERS, UNUSED
from unnoise.families._layouts import DEV, LAYOUTS, REFINER, SCHNELL, SD1, SD2, SD3, SDXL, layout_of, scheduled
from unnoise.families._noising import noising
from unnoise.families._source import Source
from unnoise.families._unets import LATENT
from unnoise.spacings import SPACINGS

ALL = {"sd1": SD1, "sd2": SD2, "sdxl": SDXL, "refiner": REFINER, "sd3": SD3, "dev": DEV, "schnell": SCHNELL}
COURSES = {"sd3": sd3.COURSE, "dev": flux.DYNAMIC, "schnell": flux.EVEN}
NOWHERE = Source(path=Path("model.safetensors"))


def test_every_family_but_our_own_has_a_layout():
    assert {*LAYOUTS, "native"} == set(FAMILIES)
    with pytest.raises(Refused, match="no other program knows its networks"):
        layout_of("native", NOWHERE)


@pytest.mark.parametrize("name", ALL)
def test_our_reader_of_folders_knows_every_word(name):
    layout = ALL[name]
    assert set(layout.pipelines.values()) <= set(PIPELINES)
    assert {slot.folder for slot in layout.slots} <= set(NETWORKS) and layout.settings.keys() <= set(SETTINGS)
    assert set(layout.empty) <= {*UNUSED, *NETWORKS, *TOKENIZERS}
    for folder, (slot, _) in layout.tokenizers.items():
        assert folder in TOKENIZERS and slot in [s.name for s in layout.slots]
    assert {*layout.usual, *layout.renamed, *layout.needed} <= {slot.name for slot in layout.slots}


@pytest.mark.parametrize("name", ["sd3", "dev", "schnell"])
def test_a_scheduler_lays_steps_as_the_family_does(name):
    usual = COURSES[name]
    found = noising(scheduled(ALL[name], NOWHERE, "flow"), usual)
    assert (found.path, found.prediction) == ("straight", "flow")
    assert SPACINGS.make(found.spacing) == SPACINGS.make(usual.spacing)


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl", "refiner"])
def test_a_scheduler_says_what_is_predicted(name, prediction):
    found = noising(scheduled(ALL[name], NOWHERE, prediction), LATENT)
    assert found.prediction == prediction
    assert {k: found.betas[k] for k in LATENT.betas} == LATENT.betas and not found.betas["zero_terminal_snr"]
    assert SPACINGS.make(found.spacing) == SPACINGS.make(LATENT.spacing)


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl"])
def test_betas_that_end_in_noise_alone_are_said(name):
    ending = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    source = Source(path=NOWHERE.path, scheduler=scheduled(ALL[name], NOWHERE, "v") | ending)
    found = noising(scheduled(ALL[name], source, "v"), LATENT)
    assert found.betas["zero_terminal_snr"] and found.prediction == "v" and found.spacing == "trailing"


@pytest.mark.parametrize(
    ("name", "asked", "own", "target"),
    [
        ("a.safetensors", "", False, "original"),
        ("a.SAFETENSORS", "", False, "original"),
        ("a.safetensors", "", True, "unnoise"),
        ("a.gguf", "", False, "gguf"),
        ("a", "", False, "diffusers"),
        ("model-v1.5", "", False, "diffusers"),
        ("model.v2", "diffusers", False, "diffusers"),
        ("a.safetensors", "unnoise", False, "unnoise"),
    ],
)
def test_a_name_says_the_layout(name, asked, own, target):
    assert target_of(Path(name), asked, own) == target
