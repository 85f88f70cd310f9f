"""A witness: one choice a question, which depends on where things stand."""

import pytest
import torch

from building import drawn, stirred
from unnoise.core.error import Refused
from unnoise.networks import WITNESSES
from unnoise.networks.witness import Witness, WitnessConfig

SIZES = {"things": ("apple", "cup", "star"), "colours": ("red", "blue"), "backgrounds": ("white", "several")}


def made(**changes):
    torch.manual_seed(0)
    config = WitnessConfig(**{**SIZES, "styles": ("flat",), "size": 16, "patch": 2, "widths": (8, 16), **changes})
    return stirred(Witness(config), 0.2).requires_grad_(False).eval()


def test_every_question_has_its_answers():
    found = made()(drawn(3, 3, 16, 16).clamp(-1, 1))
    sizes = {"first": 3, "second": 4, "colour": 2, "count": 5, "relation": 3, "background": 2, "style": 1}
    assert {name: logits.shape for name, logits in found.items()} == {name: (3, k) for name, k in sizes.items()}
    assert all(logits.dtype == torch.float32 for logits in found.values())


def test_the_likeliest_answer_is_told():
    witness, media = made(), drawn(4, 3, 16, 16).clamp(-1, 1)
    told, logits = witness.told(media), witness(media)
    for row, said in enumerate(told):
        for name, answers in witness.config.questions.items():
            assert answers.index(said[name]) == int(logits[name][row].argmax())


def test_it_is_found_by_its_file_s_name():
    assert WITNESSES["witness"] is Witness and list(WITNESSES) == ["witness"]


def test_where_things_stand_matters():
    media = torch.ones(1, 3, 16, 16)
    media[..., :8, :8] = -1
    witness = made()
    left, right = witness(media)["relation"], witness(media.flip(-1))["relation"]
    assert (left - right).abs().max() > 1e-3


@pytest.mark.parametrize("side", [16, 40])
def test_a_picture_s_answers_do_not_depend_on_its_size_or_neighbours(side):
    witness, media = made(), torch.rand(4, 3, 1, 1).expand(4, 3, side, side) * 2 - 1
    alone = witness(media[1:2])["first"]
    torch.testing.assert_close(witness(media)["first"][1:2], alone, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(witness(media[..., :16, :16])["first"][1:2], alone, atol=1e-4, rtol=1e-3)


def test_every_part_of_it_has_a_part():
    witness = made().requires_grad_(True)
    sum(logits.square().sum() for logits in witness(drawn(2, 3, 16, 16)).values()).backward()
    assert [n for n, p in witness.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


@pytest.mark.parametrize("wrong", [{"size": 18}, {"widths": ()}, {"things": ()}, {"styles": ()}, {"counts": 0}])
def test_sizes_that_do_not_do_are_refused(wrong):
    with pytest.raises(Refused) as refused:
        made(**wrong)
    assert refused.value.field == "witness"
