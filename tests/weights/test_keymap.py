"""Rules between names and tensors have to run both ways without loss, and never in silence."""

import pytest
import torch

from unnoise.core.error import Refused
from unnoise.weights.keymap import Drop, KeyMap, Rule, Spot

TABLE = KeyMap(
    (
        Rule("input_blocks.1.0.emb_layers.1", "down.0.time"),
        Rule("blocks.{}.q", "blocks.{}.qkv", rows=(0, 1, 3)),
        Rule("blocks.{}.k", "blocks.{}.qkv", rows=(1, 2, 3)),
        Rule("blocks.{}.v", "blocks.{}.qkv", rows=(2, 3, 3)),
        Rule("mix.{}.{}", "cross.{}.at.{}", change="conv"),
        Rule("last", "final", change="swapped"),
        Rule("pos", "place"),
    ),
    (Drop("model_ema", "the average of training"),),
)


def test_a_layer_and_all_that_hangs_on_it_are_found() -> None:
    assert TABLE.spot("input_blocks.1.0.emb_layers.1.bias") == Spot("down.0.time.bias")
    assert TABLE.spot("blocks.7.k") == Spot("blocks.7.qkv", (1, 2, 3))
    assert TABLE.spot("blocks.7.k.lora_A.weight") == Spot("blocks.7.qkv.lora_A.weight", (1, 2, 3))
    assert TABLE.spot("mix.1.b.weight") == Spot("cross.1.at.b.weight", None, "conv")
    assert TABLE.spot("blocks.7.kq.weight") is None
    assert TABLE.spot("input_blocks.1.0.emb_layers.10.bias") is None
    assert TABLE.spot("blocks.7.1.k") is None


def test_tensors_come_back_as_they_were() -> None:
    theirs = {
        "input_blocks.1.0.emb_layers.1.weight": torch.randn(4, 2),
        **{
            f"blocks.0.{part}.{kind}": torch.randn(4, 2)[:, : 1 + (kind == "weight")]
            for part in "qkv"
            for kind in ("weight",)
        },
        **{f"blocks.0.{part}.bias": torch.randn(4) for part in "qkv"},
        "mix.1.b.weight": torch.randn(3, 2, 1, 1),
        "mix.1.b.bias": torch.randn(3),
        "last.weight": torch.randn(4, 2),
        "last.bias": torch.randn(4),
        "pos": torch.randn(1, 3, 2),
    }
    ours = dict(TABLE.ours({**theirs, "model_ema.decay": torch.ones(1)}))
    assert ours["blocks.0.qkv.weight"].shape == (12, 2)
    assert torch.equal(ours["blocks.0.qkv.bias"][4:8], theirs["blocks.0.k.bias"])
    assert ours["cross.1.at.b.weight"].shape == (3, 2)
    assert torch.equal(ours["final.bias"], theirs["last.bias"].roll(2))
    back = TABLE.theirs(ours)
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[name], theirs[name]) for name in theirs)


def test_a_prefix_stands_before_every_name() -> None:
    inside = TABLE.inside("model.diffusion_model.", "network.")
    assert inside.spot("model.diffusion_model.pos") == Spot("network.place")
    assert inside.spot("pos") is None
    assert inside.dropped("model.diffusion_model.model_ema.decay") == "the average of training"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["pos", "other.weight"], "of no use"),
        (["blocks.0.q.weight", "blocks.0.v.weight"], "in part only"),
        (["blocks.0.k.weight", "blocks.0.v.weight"], "in part only"),
        (["blocks.0.q.weight", "blocks.0.k.weight"], "in part only"),
    ],
)
def test_what_is_left_over_or_missing_is_refused(names: list[str], said: str) -> None:
    with pytest.raises(Refused, match=said):
        TABLE.ours({name: torch.zeros(3, 2) for name in names})


def test_the_same_tensor_twice_is_refused() -> None:
    table = KeyMap((Rule("a", "x"), Rule("b", "x")))
    with pytest.raises(Refused, match="the same tensor"):
        table.ours({"a.weight": torch.zeros(1), "b.weight": torch.zeros(1)})


def test_what_may_be_left_over_is_said() -> None:
    found = TABLE.ours({"pos": torch.zeros(1), "other": torch.zeros(1)}, lambda name: name == "other")
    assert list(found) == ["place"]


def test_a_format_that_has_no_place_for_a_tensor_is_refused() -> None:
    with pytest.raises(Refused, match="no place for nowhere"):
        TABLE.theirs({"nowhere.weight": torch.zeros(1)})
