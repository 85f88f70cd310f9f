"""Classes by name: one label for each, one more for none, and a name nobody knows is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from building import there_and_back
from unnoise.core.error import Refused
from unnoise.core.model import Wish
from unnoise.networks.unet import UNet, UNetConfig
from unnoise.text import CONDITIONERS
from unnoise.text.labels import Labels, LabelsConfig

NAMES = ("t-shirt/top", "trouser", "Ankle boot")


def made(names=NAMES):
    return Labels(LabelsConfig(classes=names), "", UNet.Condition)


@given(st.lists(st.sampled_from(["", *NAMES]), min_size=1, max_size=5))
def test_each_name_has_its_place_and_no_wish_the_one_past_the_last(prompts):
    conditioner = made()
    condition = conditioner(conditioner.prepare([Wish(p) for p in prompts]))
    assert condition.label.dtype == torch.int64
    assert condition.label.tolist() == [NAMES.index(p) if p else 3 for p in prompts]
    assert condition.tensors().keys() == {"label"}


@pytest.mark.parametrize("prompt", ["ankle boot", "ANKLE BOOT", " Ankle boot "])
def test_case_and_outer_spaces_do_not_count(prompt):
    assert made().prepare([Wish(prompt)]).tolist() == [2]


@pytest.mark.parametrize("prompt", ["boot", " ", "3", "trousers"])
def test_a_name_nobody_knows_is_refused_with_those_that_are(prompt):
    with pytest.raises(Refused, match="trouser, Ankle boot") as refused:
        made().prepare([Wish("trouser"), Wish(prompt)])
    assert refused.value.field == "prompt"


def test_names_that_differ_in_case_alone_are_refused():
    with pytest.raises(Refused, match="same name"):
        made(("coat", "Coat"))


def test_it_holds_nothing_that_a_file_would_store():
    assert made().state_dict() == {} and not list(made().parameters())
    assert CONDITIONERS["labels"] is Labels


def test_labels_go_where_the_module_is_moved():
    conditioner = made()
    assert conditioner(conditioner.prepare([Wish("")])).label.device.type == "cpu"
    assert conditioner.to("meta")(conditioner.prepare([Wish("")])).label.device.type == "meta"


def test_built_without_memory_it_works_and_its_file_gives_it_back(tmp_path):
    with torch.device("meta"):
        assert made().place.device.type == "cpu"
    network = UNet(UNetConfig(channels=1, width=8, multipliers=(1,), blocks=1, attention=(), classes=3))
    _, again = there_and_back(network, made(), tmp_path)
    assert again.conditioner.config.classes == NAMES
    assert again.conditioner(again.conditioner.prepare([Wish("trouser"), Wish()])).label.tolist() == [1, 3]
