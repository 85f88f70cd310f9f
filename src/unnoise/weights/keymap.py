"""Rules that carry names and tensors between a stranger's file and a module of ours, both ways.

A map is a table of rules, tried in order. A rule speaks of a layer and so of all that hangs on it: "a.{}.b" is about
"a.3.b", "a.3.b.weight" and "a.3.b.lora_A.weight" alike. `{}` stands for one part of a name, without dots, and goes to
the same `{}` on the other side. Where two programs cut layers differently, theirs is a range of rows of ours (a fused
query, key and value), or has its values in another order or with other axes (a linear layer as a 1 x 1 convolution).
The same table finds a layer that a LoRA names.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from unnoise.core.error import Refused

if TYPE_CHECKING:
    from torch import Tensor

Change = Literal["same", "conv", "linear", "swapped", "transposed"]
"""What theirs is beside ours: the same; a 1 x 1 convolution where ours is linear, or the other way about; the first
half of its rows last (scale and shift exchanged); rows as columns. Only matrices (two axes and more) are reshaped and
transposed; biases only swapped."""


@dataclass(frozen=True)
class Rule:
    """One row of a table.

    Args:
        theirs, ours: a layer or a tensor by its dotted name, with the same number of holes `{}`.
        rows: theirs holds the parts from `first` up to `last` of `parts` equal parts of ours along its first axis.
        change: what else differs.
    """

    theirs: str
    ours: str
    rows: tuple[int, int, int] | None = None
    change: Change = "same"

    def turned(self, name: str, back: bool = False) -> str | None:
        """The other side's name for a name that this rule is about."""
        pattern, other = (self.ours, self.theirs) if back else (self.theirs, self.ours)
        found = _compiled(pattern).fullmatch(name)
        if found is None:
            return None
        *holes, rest = found.groups("")
        return _put(other, holes) + rest


@dataclass(frozen=True)
class Drop:
    """Tensors of theirs that ours has no use for, and why. `theirs` is a name with holes, as a rule's."""

    theirs: str
    reason: str


@dataclass(frozen=True)
class Spot:
    """Where a layer or tensor of theirs lies: the name of ours, the rows it holds of it, and what else differs."""

    name: str
    rows: tuple[int, int, int] | None = None
    change: Change = "same"


@dataclass(frozen=True)
class KeyMap:
    """A table of rules between one program's names and one module's.

    Args:
        rules: tried in order; the first that is about a name says where it goes.
        drops: what is left out on purpose.
    """

    rules: tuple[Rule, ...]
    drops: tuple[Drop, ...] = ()

    def __add__(self, other: "KeyMap") -> "KeyMap":
        return KeyMap(self.rules + other.rules, self.drops + other.drops)

    def inside(self, theirs: str = "", ours: str = "") -> "KeyMap":
        """The same table with a prefix before every name of each side."""
        rules = tuple(replace(r, theirs=theirs + r.theirs, ours=ours + r.ours) for r in self.rules)
        return KeyMap(rules, tuple(replace(d, theirs=theirs + d.theirs) for d in self.drops))

    def spot(self, theirs: str) -> Spot | None:
        """Where a layer or tensor of theirs lies in ours; None where no rule is about it."""
        for rule in self._about(theirs):
            if (name := rule.turned(theirs)) is not None:
                return Spot(name, rule.rows, rule.change)
        return None

    def dropped(self, theirs: str) -> str | None:
        """Why a tensor of theirs is left out, where it is."""
        return next((d.reason for d in self.drops if _compiled(d.theirs).fullmatch(theirs)), None)

    def spots(self, ours: str) -> list[tuple[str, Spot]]:
        """Theirs that make up a layer or tensor of ours, in the order of its rows; empty where no rule is about it."""
        found: dict[tuple[int, int, int] | None, tuple[str, Spot]] = {}
        for rule in self.rules:
            if (name := rule.turned(ours, back=True)) is not None and rule.rows not in found:
                if rule.rows is None and found:
                    continue
                found[rule.rows] = (name, Spot(ours, rule.rows, rule.change))
                if rule.rows is None:
                    break
        return [found[rows] for rows in sorted(found, key=lambda r: r or (0, 0, 0))]

    def ours(self, theirs: "Mapping[str, Tensor]", ignored: Callable[[str], bool] = lambda _: False) -> "Translated":
        """Their tensors by our names, read when asked for.

        Args:
            theirs: may be lazy: names are looked at now, tensors later.
            ignored: names that may be left over.

        Raises:
            Refused: a tensor is about nothing that we know, two are about the same, or a part of a fused one is
                missing.
        """
        pieces: dict[str, list[tuple[str, Spot]]] = {}
        unknown: list[str] = []
        for name in theirs:
            if (spot := self.spot(name)) is not None:
                pieces.setdefault(spot.name, []).append((name, spot))
            elif self.dropped(name) is None and not ignored(name):
                unknown.append(name)
        if unknown:
            raise Refused(f"{len(unknown)} tensors are of no use here: {some(unknown)}", _REMEDY, "model")
        for name, parts in pieces.items():
            parts.sort(key=lambda part: part[1].rows or (0, 0, 0))
            _check_whole(name, parts)
        return Translated(theirs, pieces)

    def theirs(self, ours: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """Our tensors by their names.

        Raises:
            Refused: a tensor of ours has no place in their format.
        """
        made: dict[str, Tensor] = {}
        lost: list[str] = []
        for name, tensor in ours.items():
            spots = self.spots(name)
            lost += [] if spots else [name]
            made |= {theirs: taken(tensor, spot) for theirs, spot in spots}
        if lost:
            raise Refused(f"the format has no place for {some(lost)}", "convert to another", "out")
        return made

    def _about(self, name: str) -> Iterable[Rule]:
        """The rules that may be about a name, in order: a long table is looked up by its first words."""
        return self._first.get(name.split(".", 1)[0], self._open)

    @cached_property
    def _open(self) -> tuple[Rule, ...]:
        return tuple(r for r in self.rules if "{}" in r.theirs.split(".", 1)[0])

    @cached_property
    def _first(self) -> dict[str, tuple[Rule, ...]]:
        heads = {r.theirs.split(".", 1)[0] for r in self.rules}
        can = {h: [r for r in self.rules if r.theirs.split(".", 1)[0] == h or r in self._open] for h in heads}
        return {head: tuple(rules) for head, rules in can.items() if "{}" not in head}


@dataclass(frozen=True)
class Translated(Mapping[str, "Tensor"]):
    """Tensors by our names, each read and put together when asked for."""

    stored: "Mapping[str, Tensor]"
    pieces: Mapping[str, Sequence[tuple[str, Spot]]] = field(repr=False)

    def __getitem__(self, name: str) -> "Tensor":
        import torch

        parts = [given(self.stored[theirs], spot.change) for theirs, spot in self.pieces[name]]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def __iter__(self) -> Iterator[str]:
        return iter(self.pieces)

    def __len__(self) -> int:
        return len(self.pieces)


def given(tensor: "Tensor", change: Change) -> "Tensor":
    """Their tensor as ours has it."""
    if change == "swapped":
        return tensor.roll(tensor.shape[0] // 2, 0)
    if tensor.ndim < 2 or change == "same":
        return tensor
    if change == "transposed":
        return tensor.transpose(0, 1)
    return tensor.flatten(1) if change == "conv" else tensor[..., None, None]


def taken(tensor: "Tensor", spot: Spot) -> "Tensor":
    """The part of our tensor that is theirs, as they have it."""
    if spot.rows is not None:
        first, last, parts = spot.rows
        each = tensor.shape[0] // parts
        tensor = tensor[first * each : last * each]
    back: dict[Change, Change] = {"conv": "linear", "linear": "conv"}
    return given(tensor, back.get(spot.change, spot.change))


def some(names: Sequence[str]) -> str:
    """A few of many names, for people."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


_REMEDY = "the file is damaged or of a kind we do not know; --ignore-keys PATTERN leaves such tensors out"
_KNOWN: dict[str, re.Pattern[str]] = {}


def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern that gives what stands in its holes, and last what hangs on the layer."""
    if pattern not in _KNOWN:
        inner = r"([^.]+)".join(map(re.escape, pattern.split("{}")))
        _KNOWN[pattern] = re.compile(inner + r"((?:\..+)?)")
    return _KNOWN[pattern]


def _put(pattern: str, holes: Sequence[str]) -> str:
    texts = pattern.split("{}")
    if len(texts) != len(holes) + 1:
        raise ValueError(f"{pattern!r} has {len(texts) - 1} holes for {len(holes)} parts")
    return texts[0] + "".join(hole + text for hole, text in zip(holes, texts[1:], strict=True))


def _check_whole(name: str, parts: Sequence[tuple[str, Spot]]) -> None:
    """See that every row of a tensor comes from somewhere, and once."""
    names = [theirs for theirs, _ in parts]
    if parts[0][1].rows is None:
        if len(parts) > 1:
            raise Refused(f"{some(names)} are the same tensor", "the file is damaged", "model")
        return
    filled = 0
    for _, spot in parts:
        first, last, _ = spot.rows or (0, 0, 0)
        if first != filled:
            what = "twice" if first < filled else "in part only"
            raise Refused(f"the file has the tensor {name} {what} ({some(names)})", "the file is damaged", "model")
        filled = last
    if parts[-1][1].rows and filled != parts[-1][1].rows[2]:
        raise Refused(f"the file has the tensor {name} in part only ({some(names)})", "the file is damaged", "model")
