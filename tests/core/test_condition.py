"""Conditions: frozen, batched, concatenated with padding, taken apart and put together by torch."""

from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from typing import ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils import _pytree as pytree  # torch offers no public name yet

from unnoise.core.condition import Condition, Unconditional, condition
from unnoise.core.error import Refused


@condition
class Words(Condition):
    sequences: ClassVar[Mapping[str, str]] = {"tokens": "mask"}
    tokens: torch.Tensor
    mask: torch.Tensor | None = None
    size: torch.Tensor | None = None


def words(batch, length, value=1.0):
    return Words(tokens=torch.full((batch, length, 2), value), mask=torch.ones(batch, length, dtype=torch.bool))


@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 3), st.integers(1, 5))
def test_cat_pads_sequences_and_masks_the_padding(batch, length, other_batch, other_length):
    both = words(batch, length, 1.0).cat(words(other_batch, other_length, 2.0))
    longest = max(length, other_length)
    assert both.tokens.shape == (batch + other_batch, longest, 2)
    assert both.mask.sum(1).tolist() == [length] * batch + [other_length] * other_batch
    assert (both.tokens[~both.mask] == 0).all()
    assert (both.tokens[:batch, :length] == 1).all() and (both.tokens[batch:, :other_length] == 2).all()


def test_a_field_on_one_side_only_is_refused():
    plain = words(1, 2)
    sized = Words(tokens=plain.tokens, mask=plain.mask, size=torch.ones(1, 2))
    with pytest.raises(Refused, match="only one side has size"):
        plain.cat(sized)


def test_only_declared_sequences_are_padded():
    first, second = words(1, 2), words(1, 2)
    with pytest.raises(RuntimeError):
        Words(tokens=first.tokens, size=torch.ones(1, 2)).cat(Words(tokens=second.tokens, size=torch.ones(1, 3)))


def test_map_and_to_leave_the_rest_alone():
    found = words(1, 2).to(torch.float64)
    assert found.tokens.dtype == torch.float64 and found.mask.dtype == torch.bool and found.size is None
    assert (words(1, 2).map(lambda v: v * 0).tokens == 0).all()
    assert words(1, 2).to(torch.device("cpu")).tokens.device.type == "cpu"


def test_torch_takes_it_apart_and_puts_it_together():
    start = words(2, 3)
    leaves, shape = pytree.tree_flatten(start)
    back = pytree.tree_unflatten([leaf * 1 for leaf in leaves], shape)
    assert isinstance(back, Words) and torch.equal(back.tokens, start.tokens) and back.size is None


def test_a_condition_is_frozen_and_may_be_empty():
    with pytest.raises(FrozenInstanceError):
        words(1, 1).size = torch.ones(1)
    assert Unconditional().tensors() == {} and Unconditional().cat(Unconditional()) == Unconditional()


def test_sequences_of_two_lengths_without_a_mask_are_refused():
    def bare(length):
        return Words(tokens=torch.ones(1, length, 2))

    assert bare(3).cat(bare(3)).tokens.shape == (2, 3, 2)
    with pytest.raises(Refused, match="3 and 4 tokens"):
        bare(3).cat(bare(4))


@given(st.integers(1, 3), st.integers(1, 3))
def test_a_side_without_a_mask_counts_as_a_whole(length, other):
    bare, both = Words(tokens=torch.ones(1, length, 2)), words(1, other)
    for first, second, lengths in ((bare, both, [length, other]), (both, bare, [other, length])):
        assert first.cat(second).mask.sum(1).tolist() == lengths
