"""Adapters put onto a model: beside its layers, or into their weights. The model itself stays as it is.

An adapter of low rank stands beside its layer as two thin ones, so that it costs little memory and nothing is rounded
away; every other kind changes the weight as a whole and becomes a weight of its own. `fuse` makes weights of all. Each
change is reckoned from the model's own weights and they add up, so that their order does not matter; a strength of one
half is half the change.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from unnoise.adapters.kinds import Kind, LowRank
from unnoise.adapters.layers import Part, part_named, parts
from unnoise.adapters.lora import Adapter
from unnoise.adapters.pieces import Piece
from unnoise.adapters.strength import Strength
from unnoise.core.denoiser import Denoiser
from unnoise.core.error import Refused
from unnoise.core.model import Model
from unnoise.nn.view import replaced
from unnoise.weights.keymap import Spot, given, some, taken
from unnoise.weights.place import finite

Asked = Sequence[tuple[Adapter, Strength]]


@dataclass(frozen=True)
class Touch:
    """A change of one tensor of a layer.

    Args:
        tensor: weight or bias.
        spot: where in the tensor; as theirs has it, the change is of that part only.
        kind: the change.
        strength: how much of it.
    """

    tensor: str
    spot: Spot
    kind: Kind
    strength: float

    def delta(self, whole: Tensor) -> Tensor:
        """What is added to the whole tensor, float32."""
        theirs = taken(whole, self.spot)
        change = given(self.kind.delta(theirs) * self.strength, self.spot.change)
        if (rows := _rows(self.spot, len(whole))) is None:
            return change
        placed = torch.zeros_like(whole, dtype=torch.float32)
        placed[rows] = change
        return placed


def attach(model: Model, adapters: Asked) -> Model:
    """The model with adapters beside its layers; it shares every parameter with the one given, which does not change.

    Raises:
        Refused: an adapter changes a layer that the model has not, or nothing at all.
    """
    return _changed(model, adapters, beside)


def fuse(model: Model, adapters: Asked) -> Model:
    """The model with adapters in its weights: as fast as without, and the same but for rounding.

    Raises:
        Refused: as `attach`.
    """
    return _changed(model, adapters, fused)


def _changed(model: Model, adapters: Asked, change: Callable[[nn.Module, Sequence[Touch]], nn.Module]) -> Model:
    known = parts(model)
    layers: dict[str, dict[str, list[Touch]]] = {}
    for adapter, strength in adapters:
        for part, layer, touch in touches(adapter, strength, known):
            layers.setdefault(part, {}).setdefault(layer, []).append(touch)
    made: dict[str, dict[str, nn.Module]] = {}
    for part, its in layers.items():
        outer, place = ("network" if part == "network" else "conditioner"), known[part].place
        for layer, all_of_it in its.items():
            name = f"{place}.{layer}" if place else layer
            made.setdefault(outer, {})[name] = change(known[part].layers[layer], all_of_it)
    denoiser, conditioner = model.denoiser, cast(Any, model.conditioner)
    if "network" in made:
        denoiser = Denoiser(replaced(denoiser.network, made["network"]), denoiser.prediction, denoiser.clock)
    if "conditioner" in made:
        conditioner = replaced(conditioner, made["conditioner"])
    return replace(model, denoiser=denoiser, conditioner=conditioner)


def touches(adapter: Adapter, strength: Strength, known: Mapping[str, Part]) -> Iterable[tuple[str, str, Touch]]:
    """Each change of an adapter with the part and the layer of the model that it is of.

    Raises:
        Refused: some have no layer, or none of their shape; or nothing would change.
    """
    found: list[tuple[str, str, Touch]] = []
    lost: list[str] = []
    for piece in adapter.pieces:
        if (place := _place(piece, known)) is None:
            lost.append(str(piece.where))
            continue
        part, spot = place
        _check_shape(adapter, piece, known[part].layers[spot.name], spot)
        found.append((part, spot.name, Touch(piece.tensor, spot, piece.kind, strength.of(part))))
    if lost:
        made_for = f"it is for {adapter.meant_for}" if adapter.meant_for else "it is for another kind of model"
        what = f"the adapter '{adapter.name}' changes {len(lost)} layers that this model has not: {some(lost)}"
        raise Refused(what, made_for, "lora")
    if not any(_changes(piece.kind) for piece in adapter.pieces):
        raise Refused(f"the adapter '{adapter.name}' changes nothing: it is zero throughout", "train it first", "lora")
    return found


def _place(piece: Piece, known: Mapping[str, Part]) -> tuple[str, Spot] | None:
    where = piece.where
    if (named := part_named(known, where.part)) is None:
        return None
    spot = named[1].spot(where.layer, where.spelling)
    return None if spot is None else (named[0], spot)


def _check_shape(adapter: Adapter, piece: Piece, layer: nn.Module, spot: Spot) -> None:
    """See that a change has the shape of what it changes."""
    if (tensor := _tensor(layer, piece.tensor)) is None:
        what = f"the adapter '{adapter.name}' changes the bias of {piece.where}"
        raise Refused(what, "such a layer has none", "lora")
    shape = _shape(tensor, spot)
    if not piece.kind.fits(shape):
        made_for = f"it is for {adapter.meant_for}" if adapter.meant_for else "it is for another model, or damaged"
        what = f"the adapter '{adapter.name}' does not fit {piece.where}, which is {shape}"
        raise Refused(what, made_for, "lora")


def _tensor(layer: nn.Module, name: str) -> Tensor | None:
    """A layer's weight or bias; zeros for a bias that it could have and has not."""
    found = getattr(layer, name, None)
    if found is None and isinstance(layer, nn.Linear | nn.Conv2d):
        return torch.zeros(len(layer.weight), dtype=layer.weight.dtype, device=layer.weight.device)
    return found if isinstance(found, Tensor) else None


def _shape(tensor: Tensor, spot: Spot) -> tuple[int, ...]:
    """That of the part that is theirs; no number is asked for, which those of a packed tensor would be computed for."""
    return tuple(taken(torch.empty(tensor.shape, device="meta"), spot).shape)


def _changes(kind: Kind) -> bool:
    """Whether a change is one: layers that a training never reached are zero, and all are where it has not begun."""
    return not (isinstance(kind, LowRank) and not (kind.up.any() and kind.down.any()))


def beside(layer: nn.Module, touched: Sequence[Touch]) -> nn.Module:
    """A layer with the low-rank changes beside it, and the others in its weights."""
    thin = [t for t in touched if _thin(t, layer)]
    rest = [t for t in touched if not _thin(t, layer)]
    whole = fused(layer, rest) if rest else layer
    return Adapted(whole, *_factors(layer, thin)) if thin else whole


def fused(layer: nn.Module, touched: Sequence[Touch]) -> nn.Module:
    """A layer with every change in its weights."""
    made = replaced(layer, {})
    for name in dict.fromkeys(t.tensor for t in touched):
        old = cast(Tensor, _tensor(layer, name))
        if not old.is_floating_point():
            raise Refused("an adapter cannot be fused into weights of whole numbers", "load them unquantised", "lora")
        new = old.float() + sum(t.delta(old) for t in touched if t.tensor == name)
        setattr(made, name, nn.Parameter(_sound(new.to(old.dtype)), requires_grad=False))
    return made


class Adapted(nn.Module):
    """A linear layer or a convolution, and beside it all that adapters of low rank add.

    Args:
        base: the layer.
        down: (rank, in, *kernel), of all adapters one after the other.
        up: (out, rank), their scales and strengths in it.
    """

    def __init__(self, base: nn.Module, down: Tensor, up: Tensor) -> None:
        super().__init__()
        self.base = base
        self.down, self.up = (nn.Parameter(t, requires_grad=False) for t in (down, up))

    def forward(self, x: Tensor) -> Tensor:
        base, down, up = self.base, self.down.to(x), self.up.to(x)
        if isinstance(base, nn.Conv2d):
            found = conv2d(x, down, None, base.stride, base.padding, base.dilation)
            return base(x) + conv2d(found, up[..., None, None])
        return base(x) + linear(linear(x, down), up)


def _thin(touch: Touch, layer: nn.Module) -> bool:
    """Whether a change can stand beside its layer as two thin ones."""
    if touch.tensor != "weight" or not isinstance(touch.kind, LowRank):
        return False
    if isinstance(layer, nn.Conv2d):
        return layer.groups == 1 and layer.padding_mode == "zeros"
    return isinstance(layer, nn.Linear)


def _factors(layer: nn.Module, thin: Sequence[Touch]) -> tuple[Tensor, Tensor]:
    """Down and up of all changes together, in the layer's own type; up is zero in rows that a change is not about."""
    weight = cast(Tensor, layer.weight)
    downs: list[Tensor] = []
    ups: list[Tensor] = []
    for touch in thin:
        kind = cast(LowRank, touch.kind)
        down, up = kind.factors(_shape(weight, touch.spot))
        if touch.spot.change == "transposed":
            down, up = up.T, down.T
        elif touch.spot.change == "swapped":
            up = given(up, "swapped")
        whole = up.new_zeros(len(weight), up.shape[1])
        rows = _rows(touch.spot, len(weight))
        whole[slice(None) if rows is None else rows] = up * touch.strength
        downs.append(down.reshape(-1, *weight.shape[1:]))
        ups.append(whole)
    kind = weight.dtype if weight.is_floating_point() else torch.float32
    down, up = torch.cat(downs), torch.cat(ups, 1)
    return _sound(down.to(weight.device, kind)), _sound(up.to(weight.device, kind))


def _sound(made: Tensor) -> Tensor:
    """A tensor without numbers beyond its type's range.

    Raises:
        Refused: it has some.
    """
    if not finite(made):
        what = f"an adapter makes numbers too large for {str(made.dtype).removeprefix('torch.')}"
        raise Refused(what, "give it less weight; or its file is damaged", "lora")
    return made


def _rows(spot: Spot, length: int) -> slice | None:
    if spot.rows is None:
        return None
    first, last, of = spot.rows
    return slice(first * length // of, last * length // of)
