"""Tensors that are made when they are asked for: by other names, in other types, one at a time."""

from functools import partial

import pytest
import torch

from unnoise.core.error import Refused
from unnoise.weights.keymap import KeyMap, Rule
from unnoise.weights.lazy import Lazy, Made, cast, joined, theirs, with_again, with_identity, with_zeros, without

KEYS = KeyMap(
    (
        *(Rule(f"a.{part}", "block.qkv", (i, i + 1, 3)) for i, part in enumerate("qkv")),
        Rule("conv", "linear", change="conv"),
    )
)


def counted(tensors):
    """The tensors, and how often each was asked for."""
    asked = dict.fromkeys(tensors, 0)

    def get(name):
        asked[name] += 1
        return tensors[name]

    return Made({name: partial(get, name) for name in tensors}), asked


def meta(tensors):
    return {k: v.to("meta") for k, v in tensors.items()}


def test_names_are_another_program_s_and_nothing_is_asked_for_before_its_turn():
    ours = {"block.qkv.weight": torch.arange(12.0).view(6, 2), "linear.weight": torch.ones(2, 3)}
    lazy, asked = counted(ours)
    made = theirs(KEYS, lazy)
    assert set(made) == {"a.q.weight", "a.k.weight", "a.v.weight", "conv.weight"} and len(made) == 4
    assert set(asked.values()) == {0}
    whole = KEYS.theirs(ours)
    assert all(torch.equal(made[name], whole[name]) for name in whole)
    assert made["conv.weight"].shape == (2, 3, 1, 1)
    with pytest.raises(Refused, match=r"no place for strange\.weight"):
        theirs(KEYS, {"strange.weight": torch.ones(1)})


def test_numbers_are_cast_and_others_are_not():
    made = cast(torch.float16, {"a": torch.tensor([1.5, 2.0]), "b": torch.tensor([7])})
    assert (made["a"].dtype, made["b"].dtype) == (torch.float16, torch.int64)
    with pytest.raises(Refused, match=r"'c' holds numbers too large for torch.float16: choose bfloat16"):
        cast(torch.float16, {"c": torch.tensor([1e6])})["c"]
    nan = torch.tensor([torch.nan])  # that is no matter of the type
    assert torch.isnan(cast(torch.float16, {"d": nan})["d"]).all()


def test_more_and_fewer():
    held = {"w": torch.tensor([[1.0, 2.0]], dtype=torch.float16), "n": torch.ones(2, dtype=torch.float16)}
    assert torch.equal(with_zeros({"v": "w"}, held)["v"], torch.zeros(1, 2, dtype=torch.float16))
    assert with_again({"x": "w"}, held)["x"] is held["w"]
    made = with_identity("p", "n", held)
    assert torch.equal(made["p"], torch.eye(2, dtype=torch.float16)) and made["w"] is held["w"]
    assert set(without(lambda name: name == "w", held)) == {"n"}


def test_with_and_without_numbers_they_change_alike():
    held = {"block.qkv.weight": torch.ones(6, 2), "linear.weight": torch.ones(2, 3)}
    lazy = joined([Lazy(held, meta(held)), Lazy({"z": torch.ones(())}, {"z": torch.ones((), device="meta")})])
    named = lazy.through(partial(without, lambda name: name == "z")).through(partial(theirs, KEYS))
    named = named.through(partial(cast, torch.bfloat16))
    assert list(named.tensors) == list(named.like)
    for name, like in named.like.items():
        assert like.is_meta and (like.shape, like.dtype) == (named.tensors[name].shape, named.tensors[name].dtype)
    assert named.bytes == 2 * 18
