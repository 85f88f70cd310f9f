"""What a sample is conditioned on: a frozen dataclass of batch-first tensors, one subclass a network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self, TypeVar, dataclass_transform

import torch
from torch import Tensor
from torch.utils._pytree import (
    register_dataclass,  # the registry torch.compile and torch.export read; no public name yet
)

from unnoise.core.error import Refused

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def condition(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass that torch takes apart and puts together (a pytree)."""
    made = dataclass(frozen=True, kw_only=True)(cls)
    register_dataclass(made)
    return made


@condition
class Condition:
    """Fields are tensors whose first axis is the batch, or None.

    `sequences` names the fields whose second axis is a sequence and, for each, the field that masks it (True where a
    token counts); `cat` pads the shorter with zeros and the mask with False. No mask where the other side has one
    means that every token counts.
    """

    sequences: ClassVar[Mapping[str, str]] = {}

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The same condition with every tensor changed."""
        return replace(self, **{k: change(v) for k, v in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """The fields that are set."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: v for k, v in values.items() if v is not None}

    def cat(self, other: Self) -> Self:
        """This batch and then the other, as one.

        Raises:
            Refused: one side has a field that the other lacks, or sequences of two lengths have no mask.
        """
        mine, theirs = self._masked(other), other._masked(self)
        if mine.keys() != theirs.keys():
            raise Refused(
                f"{type(self).__name__}: only one side has {', '.join(sorted(mine.keys() ^ theirs.keys()))}",
                "conditions that run as one batch need the same fields",
            )
        for name, mask in self.sequences.items():
            if name in mine and mask not in mine and mine[name].shape[1] != theirs[name].shape[1]:
                raise Refused(
                    f"{type(self).__name__}: {name} has {mine[name].shape[1]} and {theirs[name].shape[1]} tokens",
                    f"sequences of two lengths need their {mask}",
                )
        padded = {name for pair in self.sequences.items() for name in pair}
        return replace(self, **{k: _cat(mine[k], theirs[k], k in padded) for k in mine})

    def _masked(self, other: Self) -> dict[str, Tensor]:
        """The fields that are set, and the masks that the other has and this need not have."""
        mine, theirs = self.tensors(), other.tensors()
        for name, mask in self.sequences.items():
            if mask in theirs and mask not in mine and name in mine:
                mine[mask] = torch.ones(mine[name].shape[:2], dtype=torch.bool, device=mine[name].device)
        return mine

    def to(self, target: torch.device | torch.dtype) -> Self:
        """On another device, or with floating-point tensors in another dtype."""
        if isinstance(target, torch.dtype):
            return self.map(lambda v: v.to(target) if v.is_floating_point() else v)
        return self.map(lambda v: v.to(target))


@condition
class Unconditional(Condition):
    """Nothing to go by."""


def _cat(first: Tensor, second: Tensor, padded: bool) -> Tensor:
    if padded:
        length = max(first.shape[1], second.shape[1])
        first, second = _lengthen(first, length), _lengthen(second, length)
    return torch.cat([first, second])


def _lengthen(value: Tensor, length: int) -> Tensor:
    if value.shape[1] == length:
        return value
    missing = value.new_zeros(value.shape[0], length - value.shape[1], *value.shape[2:])
    return torch.cat([value, missing], 1)
