"""A layer's tensors become what they do: scaled as the file says, at lengths along the axis that its shape says."""

import pytest
import torch

from unnoise.adapters.kinds import Decomposed, Full, Hadamard, Kronecker, LowRank
from unnoise.adapters.pieces import Alpha, Where, pieces
from unnoise.core.error import Refused

HERE = Where("network", "a.b", "dotted")
PAIR = {"down": torch.ones(4, 6), "up": torch.ones(8, 4)}


def one(slots, stated=None):
    [piece] = pieces(HERE, slots, stated)
    return piece.kind


def number(value):
    return torch.tensor(float(value))


@pytest.mark.parametrize(
    ("more", "stated", "scale"),
    [
        ({}, None, 1.0),
        ({"alpha": number(2)}, None, 0.5),
        ({"alpha": torch.tensor([2.0])}, None, 0.5),
        ({}, Alpha(8), 2.0),
        ({}, Alpha(8, root=True), 4.0),
        ({"alpha": number(2)}, Alpha(8, root=True), 0.5),
        ({"alpha": number(2), "scale": number(0.3)}, None, 0.3),
    ],
)
def test_scale(more, stated, scale):
    assert one(PAIR | more, stated).scale == pytest.approx(scale)


def test_scale_of_factored_kinds():
    hada = {f"hada_w{k}_{x}": torch.ones((8, 2) if x == "a" else (2, 6)) for k in "12" for x in "ab"}
    assert isinstance(found := one(hada | {"alpha": number(3)}), Hadamard) and found.scale == 1.5
    whole = {"lokr_w1": torch.ones(2, 3), "lokr_w2": torch.ones(4, 2), "alpha": number(3)}
    assert isinstance(found := one(whole), Kronecker) and found.scale == 1
    parts = {
        "lokr_w1": torch.ones(2, 3),
        "lokr_w2_a": torch.ones(4, 2),
        "lokr_w2_b": torch.ones(2, 2),
        "alpha": number(3),
    }
    assert one(parts).scale == 1.5


@pytest.mark.parametrize(
    ("slot", "shape", "axis"),
    [
        ("dora_scale", (8, 1), 0),
        ("dora_scale", (1, 6), 1),
        ("dora_scale", (8,), 0),
        ("dora_scale", (1, 6, 1, 1), 1),
        ("magnitude", (8,), 0),
        ("magnitude", (1, 8, 1, 1), 0),
    ],
)
def test_which_way_lengths_are(slot, shape, axis):
    found = one(PAIR | {slot: torch.ones(shape)})
    assert isinstance(found, Decomposed) and found.axis == axis and isinstance(found.change, LowRank)
    assert found.fits((8, 6))


def test_a_layer_may_have_several_changes():
    found = pieces(HERE, PAIR | {"diff_b": torch.ones(8), "bias": torch.ones(8), "alpha": number(2)})
    assert {(p.tensor, type(p.kind)) for p in found} == {("weight", LowRank), ("bias", Full)}
    assert sorted(float(p.kind.diff[0]) for p in found if p.tensor == "bias") == [0.5, 1.0]


def test_what_belongs_to_nothing_is_refused():
    for slots in (
        {"alpha": number(1)},
        {"bias": torch.ones(8)},
        PAIR | {"on_input": number(1)},
        {"mid": torch.ones(1)},
    ):
        with pytest.raises(Refused, match=r"a\.b"):
            pieces(HERE, slots)
