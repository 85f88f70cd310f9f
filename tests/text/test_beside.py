"""What stands beside the sample where a wish has no picture."""

import torch
from torch import nn

from unnoise.core.model import Conditioner, Wish
from unnoise.networks.ldm_unet import LDMUNetCondition
from unnoise.networks.pixels import Pixels, PixelsConfig
from unnoise.text.beside import Beside


class Words(nn.Module):
    """Prompts of one letter each as vectors."""

    words, widths = {"only": None}, (4,)

    def prepare(self, wishes):
        return torch.tensor([float(len(wish.prompt)) for wish in wishes])

    def forward(self, tokens):
        return LDMUNetCondition(context=tokens[:, None, None].expand(-1, 7, 4))

    def with_vectors(self, words, vectors):
        made = Words()
        made.words = {"more": words}
        return made


def made(masked=True):
    return Beside(Words(), Pixels(PixelsConfig()), masked, 16)


def test_without_a_picture_all_may_be_painted_on_grey():
    conditioner = made()
    found = conditioner(conditioner.prepare([Wish("a", 24, 8), Wish("", 24, 8)]))
    assert found.extra.shape == (2, 4, 8, 24) and found.context.shape == (2, 7, 4)
    assert torch.equal(found.extra[:, :1], torch.ones(2, 1, 8, 24)) and not found.extra[:, 1:].any()


def test_without_a_picture_to_change_there_are_zeros_of_the_usual_size():
    conditioner = made(masked=False)
    found = conditioner(conditioner.prepare([Wish("a")]))
    assert found.extra.shape == (1, 3, 16, 16) and not found.extra.any()


def test_it_reads_what_the_conditioner_inside_reads():
    conditioner = made()
    assert isinstance(conditioner, nn.Module) and hasattr(Conditioner, "prepare")
    assert (conditioner.words, conditioner.widths) == ({"only": None}, (4,))
    taught = conditioner.with_vectors(["x"], [])
    assert taught.words == {"more": ["x"]} and conditioner.words == {"only": None}
    assert list(conditioner.parameters()) == []
