"""A LoRA out of two models: what a training changed, each layer's change in its best approximation of low rank.

The best of a rank is the singular vectors of the largest values (Eckart and Young 1936), found by subspace iteration
(Halko et al. 2011, algorithm 4.4), which is exact where the change has that rank. What is no matrix, norms and biases,
is taken over as it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from unnoise.adapters.layers import Part, parts
from unnoise.core.error import Refused
from unnoise.core.model import Model
from unnoise.weights.keymap import taken

ROUNDS = 8
MORE = 16
"""Iterations, and how many more vectors than wanted are followed in them."""
MATRICES = (nn.Linear, nn.Conv2d)


@dataclass(frozen=True)
class Extracted:
    """What the difference of two models comes to.

    Args:
        tensors: of a LoRA in kohya's spelling, float32.
        left: layers that changed and that no LoRA can hold.
        share: how much of the changes' squared size it has, from 0 to 1.
    """

    tensors: Mapping[str, Tensor] = field(repr=False)
    left: tuple[str, ...]
    share: float


def extract(base: Model, tuned: Model, rank: int = 32, keep: float = 1.0) -> Extracted:
    """What makes the one model the other.

    Args:
        rank: the most that a layer gets.
        keep: how much of a layer's squared change is enough; its rank is the smallest with as much, up to `rank`.
    Raises:
        Refused: the two are of different kinds, or the same.
    """
    before, after = parts(base), parts(tuned)
    tensors: dict[str, Tensor] = {}
    left: list[str] = []
    sizes = torch.zeros(2, dtype=torch.float64)
    for prefix, (old, new) in _paired(before, after).items():
        for name, layer, change in _changes(old, new):
            where = prefix + name.replace(".", "_")
            if "weight" in change and isinstance(layer, MATRICES):
                found = thin(change.pop("weight"), rank, keep)
                tensors |= {f"{where}.{slot}": value for slot, value in found.tensors().items()}
                sizes += torch.tensor([found.kept, found.size])
            elif "weight" in change and change["weight"].ndim > 1:
                left.append(f"{prefix}{name}")
                continue
            norm = not isinstance(layer, MATRICES)
            slots = {"weight": "w_norm", "bias": "b_norm" if norm else "diff_b"}
            tensors |= {f"{where}.{slots[each]}": value for each, value in change.items()}
    if not tensors and not left:
        raise Refused("the two models are the same: there is nothing to extract", "name another one", "tuned")
    return Extracted(tensors, tuple(left), float(sizes[0] / sizes[1]) if sizes[1] else 1.0)


@dataclass(frozen=True)
class Thin:
    """A change as two factors: up (out, rank) and down (rank, in, *kernel), with its own and the whole squared size."""

    down: Tensor
    up: Tensor
    kept: float
    size: float

    def tensors(self) -> dict[str, Tensor]:
        """By a LoRA's slots, alpha being the rank."""
        up = self.up if self.down.ndim == 2 else self.up[..., None, None]
        alpha = torch.tensor(float(len(self.down)))
        return {"lora_down.weight": self.down.contiguous(), "lora_up.weight": up.contiguous(), "alpha": alpha}


def thin(change: Tensor, rank: int, keep: float = 1.0) -> Thin:
    """The best approximation of a change (out, in, *kernel).

    Args:
        rank: the most it gets.
        keep: how much of the squared size is enough.
    """
    matrix = change.float().flatten(1)
    size = float(matrix.double().square().sum())
    count = min(rank + MORE, *matrix.shape)
    start = torch.randn(matrix.shape[1], count, generator=torch.Generator().manual_seed(0))
    basis = torch.linalg.qr(matrix @ start).Q
    for _ in range(ROUNDS):
        basis = torch.linalg.qr(matrix @ torch.linalg.qr(matrix.T @ basis).Q).Q
    left, values, right = torch.linalg.svd(basis.T @ matrix, full_matrices=False)
    energy = values[:rank].double().square().cumsum(0)
    enough = int((energy < keep * size * (1 - 1e-9)).sum()) + 1
    wanted = max(1, min(enough, rank, int((values > values[0] * 1e-6).sum())))
    root = values[:wanted].sqrt()
    up, down = (basis @ left[:, :wanted]) * root, root[:, None] * right[:wanted]
    return Thin(down.reshape(wanted, *change.shape[1:]), up, float(energy[wanted - 1]), size)


def _paired(before: Mapping[str, Part], after: Mapping[str, Part]) -> dict[str, tuple[Part, Part]]:
    """The parts of both by the prefix that a LoRA's names have for them."""
    if before.keys() != after.keys() or any(_shapes(before[k]) != _shapes(after[k]) for k in before):
        raise Refused("the two models are not of the same kind", "name one and what was trained from it", "tuned")
    texts = [name for name in before if name != "network"]
    numbers = dict(zip(texts, ("1", "2", "3"), strict=False)) if len(texts) > 1 else dict.fromkeys(texts, "")
    for name in texts:
        if len(texts) > 1 and type(before[name].module).__name__.startswith("T5"):
            numbers[name] = "3"  # as kohya's scripts number it, wherever it stands
    prefixes = {"network": "lora_unet_"} | {name: f"lora_te{number}_" for name, number in numbers.items()}
    return {prefixes[name]: (before[name], after[name]) for name in before}


def _shapes(part: Part) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in part.module.named_parameters()}


def _changes(old: Part, new: Part) -> "Iterator[tuple[str, nn.Module, dict[str, Tensor]]]":
    """Each layer that changed, by its written name, with what its weight and bias changed by."""
    for name, spot in old.written.items():
        one, other = old.layers[spot.name], new.layers[spot.name]
        change: dict[str, Tensor] = {}
        for each, mine in one.named_parameters(recurse=False):
            theirs = dict(other.named_parameters(recurse=False))[each]
            difference = taken(theirs.float().cpu(), spot) - taken(mine.float().cpu(), spot)
            if difference.any():
                change[each] = difference
        if change:
            yield name, one, change
