"""Tensors that are made when they are asked for, so that a model is never in memory as a whole.

Whatever changes a model's tensors (another program's names, another type) is a mapping over a mapping. Each is held
twice: with numbers, and on torch's meta device, where asking costs nothing, for what a file's header says of it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import getitem

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.weights.keymap import KeyMap, Spot, some, taken
from unnoise.weights.place import finite


@dataclass(frozen=True)
class Made(Mapping[str, Tensor]):
    """Tensors by name, each made by its function when it is asked for, and not kept."""

    makers: Mapping[str, Callable[[], Tensor]]

    def __getitem__(self, name: str) -> Tensor:
        return self.makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.makers)

    def __len__(self) -> int:
        return len(self.makers)


@dataclass(frozen=True)
class Lazy:
    """Args:
    tensors: by name, not in memory.
    like: the same on the meta device.
    """

    tensors: Mapping[str, Tensor]
    like: Mapping[str, Tensor]

    def through(self, change: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]) -> "Lazy":
        """Both, changed alike."""
        return Lazy(change(self.tensors), change(self.like))

    @property
    def bytes(self) -> int:
        """How many bytes the tensors take in a file."""
        return sum(value.numel() * value.element_size() for value in self.like.values())


def joined(several: Iterable[Lazy]) -> Lazy:
    """The tensors of several, of which no two have the same name."""
    parts = list(several)
    return Lazy(_one([part.tensors for part in parts]), _one([part.like for part in parts]))


def theirs(keys: KeyMap, ours: Mapping[str, Tensor]) -> Made:
    """Our tensors by their names, as `KeyMap.theirs` gives them, but each when it is asked for.

    Raises:
        Refused: a tensor of ours has no place in their format.
    """
    found = {name: keys.spots(name) for name in ours}
    if lost := [name for name, spots in found.items() if not spots]:
        raise Refused(f"the format has no place for {some(lost)}", "convert to another", "out")
    spots = [pair for pairs in found.values() for pair in pairs]
    return Made({name: partial(_taken, ours, spot) for name, spot in spots})


def within(prefix: str, tensors: Mapping[str, Tensor]) -> Made:
    """The tensors with something before every name."""
    return Made({prefix + name: make for name, make in _getters(tensors).items()})


def cast(dtype: torch.dtype, tensors: Mapping[str, Tensor]) -> Made:
    """The tensors with those of floating point in a type. Asking for one that does not fit raises `Refused`."""
    return Made({name: partial(_cast, tensors, name, dtype) for name in tensors})


def with_zeros(like: Mapping[str, str], tensors: Mapping[str, Tensor]) -> Made:
    """The tensors, and zeros beside them.

    Args:
        like: the name of each new tensor, and of the one that it is as large as.
    """
    zeros = {name: partial(_zeros, tensors, other) for name, other in like.items()}
    return Made({**_getters(tensors), **zeros})


def with_again(also: Mapping[str, str], tensors: Mapping[str, Tensor]) -> Made:
    """The tensors, some of them a second time.

    Args:
        also: the other name of each, and its own.
    """
    return Made({**_getters(tensors), **{name: partial(getitem, tensors, own) for name, own in also.items()}})


def with_identity(name: str, like: str, tensors: Mapping[str, Tensor]) -> Made:
    """The tensors, and a square matrix that changes nothing, as wide as the vector `like` is long."""
    return Made({**_getters(tensors), name: partial(_identity, tensors, like)})


def without(names: Callable[[str], bool], tensors: Mapping[str, Tensor]) -> Made:
    """The tensors but for some."""
    return Made({name: make for name, make in _getters(tensors).items() if not names(name)})


def _one(several: list[Mapping[str, Tensor]]) -> Made:
    return Made({name: make for each in several for name, make in _getters(each).items()})


def _getters(tensors: Mapping[str, Tensor]) -> dict[str, Callable[[], Tensor]]:
    return {name: partial(getitem, tensors, name) for name in tensors}


def _taken(ours: Mapping[str, Tensor], spot: Spot) -> Tensor:
    return taken(ours[spot.name], spot)


def _cast(tensors: Mapping[str, Tensor], name: str, dtype: torch.dtype) -> Tensor:
    value = tensors[name]
    if not value.is_floating_point():
        return value
    made = value.to(dtype)
    if not finite(made) and finite(value):
        raise Refused(f"tensor {name!r} holds numbers too large for {dtype}", "choose bfloat16 or float32", "dtype")
    return made


def _zeros(tensors: Mapping[str, Tensor], like: str) -> Tensor:
    return torch.zeros_like(tensors[like])


def _identity(tensors: Mapping[str, Tensor], like: str) -> Tensor:
    vector = tensors[like]
    return torch.eye(len(vector), dtype=vector.dtype, device=vector.device)
