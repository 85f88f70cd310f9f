"""From an adapter's tensors, by slot, to what they do to a layer."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from torch import Tensor

from unnoise.adapters.dialects import UNBUILT, Spelling
from unnoise.adapters.kinds import Decomposed, Full, Gain, Hadamard, Kind, Kronecker, LowRank, Product
from unnoise.core.error import Refused

STRONGEST = 1000.0
"""The most that alpha / rank may be: files in use stay below a hundred."""

Slots = dict[str, Tensor]


@dataclass(frozen=True)
class Where:
    """The layer an adapter's file speaks of, in its own words; `part` and `spelling` as in dialects."""

    part: str
    layer: str
    spelling: Spelling

    def __str__(self) -> str:
        return f"{self.part}'s layer {self.layer}"


@dataclass(frozen=True)
class Piece:
    """One change of one tensor.

    Args:
        where: the layer.
        tensor: its weight or its bias.
        kind: the change.
    """

    where: Where
    tensor: Literal["weight", "bias"]
    kind: Kind


@dataclass(frozen=True)
class Alpha:
    """A layer's alpha where the header states it, and whether it is over the rank's root (Kalajdzievski 2023)."""

    value: float
    root: bool = False


def pieces(where: Where, slots: Slots, stated: Alpha | None = None) -> list[Piece]:
    """What a layer's tensors do.

    Args:
        slots: what each tensor is -> the tensor.
        stated: the layer's alpha, where the file's header has it.
    Raises:
        Refused: one lacks its fellow, their ranks differ, a scale is absurd, or the kind is not built.
    """
    if unbuilt := [slot for slot in UNBUILT if slot in slots]:
        raise Refused(f"{where} has {unbuilt[0]}, a kind of adapter that is not built", "take another file", "lora")
    left = dict(slots)
    alpha, explicit = (_number(where, name, left.pop(name, None)) for name in ("alpha", "scale"))
    given = _Given(where, {}, Alpha(alpha) if alpha is not None else stated, explicit)
    found: list[Piece] = []
    if "bias" in left and "down" in left:
        factor = given.scale(_rank(where, left["down"], 0))
        found.append(Piece(where, "bias", Full(left.pop("bias").float() * factor)))
    for names, make in KINDS:
        if own := {name: left.pop(name) for name in names if name in left}:
            change = make(_Given(where, own, given.alpha, explicit))
            found.append(Piece(where, "weight", _decomposed(change, left)))
    found += [Piece(where, "bias", Full(left.pop(name))) for name in ("diff_b", "b_norm") if name in left]
    if left or not found:
        raise Refused(f"{where} has {', '.join(left or slots)}, which alone says nothing", _DAMAGED, "lora")
    return found


@dataclass(frozen=True)
class _Given:
    """The tensors of one kind, and what scales it: an explicit scale wins, then alpha over the rank, then 1."""

    where: Where
    slots: Slots
    alpha: Alpha | None
    explicit: float | None

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.slots:
            raise Refused(f"{self.where} has {', '.join(self.slots)} without {name}", _DAMAGED, "lora")
        return self.slots[name]

    def rank(self, name: str, axis: int) -> int:
        return _rank(self.where, self[name], axis)

    def scale(self, rank: int) -> float:
        found = 1.0
        if self.explicit is not None:
            found = self.explicit
        elif self.alpha is not None:
            found = self.alpha.value / (rank**0.5 if self.alpha.root else rank)
        if not abs(found) <= STRONGEST:
            raise Refused(f"{self.where} is scaled by {found:.3g}", f"at most {STRONGEST:g}; {_DAMAGED}", "lora")
        return found


def _low_rank(given: _Given) -> Kind:
    rank, other = given.rank("down", 0), given.rank("up", 1)
    if rank != other:
        raise Refused(f"{given.where} has down of rank {rank} and up of rank {other}", _DAMAGED, "lora")
    return LowRank(given["down"], given["up"], given.slots.get("mid"), given.scale(rank))


def _hadamard(given: _Given) -> Kind:
    cores = [(given.slots[name],) if name in given.slots else () for name in ("hada_t1", "hada_t2")]
    first, second = (Product((given[f"hada_w{k}_a"], given[f"hada_w{k}_b"], *cores[k - 1])) for k in (1, 2))
    return Hadamard(first, second, given.scale(given.rank("hada_w1_b", 0)))


def _kronecker(given: _Given) -> Kind:
    """Each side whole or in factors; the rank is the factors', and without factors there is none to scale by."""
    sides: list[Product] = []
    ranks: list[int] = []
    for side in ("lokr_w1", "lokr_w2"):
        if side in given.slots:
            sides.append(Product((given[side],)))
            continue
        core = (given["lokr_t2"],) if side == "lokr_w2" and "lokr_t2" in given.slots else ()
        sides.append(Product((given[f"{side}_a"], given[f"{side}_b"], *core)))
        ranks.append(given.rank(f"{side}_b", 0))
    return Kronecker(sides[0], sides[1], given.scale(ranks[-1]) if ranks else 1.0)


def _gain(given: _Given) -> Kind:
    return Gain(given["weight"], 1 if bool(given["on_input"].any()) else 0)


def _decomposed(change: Kind, left: Slots) -> Kind:
    """The change with a magnitude, where there is one: PEFT's is of outputs, LyCORIS's as its shape says."""
    if "magnitude" in left:
        return Decomposed(change, left.pop("magnitude"), 0)
    if "dora_scale" in left:
        magnitude = left.pop("dora_scale")
        inputs = magnitude.ndim > 1 and magnitude.shape[0] == 1 and magnitude.shape[1] != 1
        return Decomposed(change, magnitude, 1 if inputs else 0)
    return change


KINDS: tuple[tuple[tuple[str, ...], Callable[[_Given], Kind]], ...] = (
    (("down", "up", "mid"), _low_rank),
    (("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"), _hadamard),
    (("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"), _kronecker),
    (("weight", "on_input"), _gain),
    (("diff",), lambda given: Full(given["diff"])),
    (("w_norm",), lambda given: Full(given["w_norm"])),
)
"""The slots that belong to a kind, and what makes it of them."""

_DAMAGED = "the file is damaged or only a part of it"


def _rank(where: Where, tensor: Tensor, axis: int) -> int:
    if tensor.ndim < 2 or not tensor.shape[axis]:
        raise Refused(f"{where} has a factor of shape {tuple(tensor.shape)}", _DAMAGED, "lora")
    return tensor.shape[axis]


def _number(where: Where, name: str, value: Tensor | None) -> float | None:
    if value is None:
        return None
    if value.numel() != 1 or not isfinite(found := float(value)):
        raise Refused(f"{where} has an {name} that is no finite number", _DAMAGED, "lora")
    return found
