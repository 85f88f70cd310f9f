"""What adapters add to a layer's weight, one kind each: `delta(weight)` is what is added at full strength.

Every kind gives float32 of the weight's shape, and says by `fits`, from shapes alone, whether it can: a file's tensors
may multiply to anything. LoRA is Hu et al. 2021, eq. 3; LoHa and LoKr are LyCORIS (Yeh et al. 2023, sec. 3); DoRA is
Liu et al. 2024, eq. 5; IA3 is Liu et al. 2022, sec. 3.3.
"""

from dataclasses import dataclass
from math import prod
from typing import Literal, Protocol

import torch
from torch import Tensor

Shape = tuple[int, ...]


class Kind(Protocol):
    """How a weight is changed."""

    def fits(self, shape: Shape, /) -> bool:
        """Whether `delta` has this shape."""
        ...

    def delta(self, weight: Tensor, /) -> Tensor:
        """What is added to the weight, float32 of its shape."""
        ...


@dataclass(frozen=True)
class LowRank:
    """`scale * up @ down`; of a convolution, down looks (perhaps through mid) and up mixes the channels it finds.

    Args:
        down: (rank, in, *kernel), or (rank, in) where mid holds the kernel; a kernel of one cell may be left out.
        up: (out, rank), with or without a kernel of one cell.
        mid: (rank, rank, *kernel).
        scale: alpha / rank.
    """

    down: Tensor
    up: Tensor
    mid: Tensor | None = None
    scale: float = 1.0

    def fits(self, shape: Shape) -> bool:
        out, rank = self.up.shape[0], self.down.shape[0]
        if len(shape) < 2 or out != shape[0] or self.up.numel() != out * rank:
            return False
        inner = self.down.shape
        if self.mid is not None:
            if self.mid.shape[:2] != (rank, rank) or self.down.numel() != rank * inner[1]:
                return False
            inner = (rank, inner[1], *self.mid.shape[2:])
        return self.down.ndim > 1 and _squeezed(inner[1:]) == _squeezed(shape[1:]) and inner[1] == shape[1]

    def factors(self, shape: Shape) -> tuple[Tensor, Tensor]:
        """Down as (rank, *shape[1:]) and up as (out, rank), the scale in it; float32."""
        down, up = self.down.float(), self.up.float().flatten(1)
        if self.mid is not None:
            down = torch.einsum("srhw,ri->sihw", self.mid.float(), down.flatten(1))
        return down.reshape(-1, *shape[1:]), up * self.scale

    def delta(self, weight: Tensor) -> Tensor:
        down, up = self.factors(tuple(weight.shape))
        return (up @ down.flatten(1)).reshape(weight.shape).to(weight.device)


@dataclass(frozen=True)
class Product:
    """A matrix kept as its factors.

    Args:
        parts: the matrix itself; or (m, r) and (r, n); or (r, m), (s, n) and a core (r, s, *kernel).
    """

    parts: tuple[Tensor, ...]

    @property
    def shape(self) -> Shape | None:
        """Its shape, or None where the factors do not fit each other."""
        if len(self.parts) == 1:
            return tuple(self.parts[0].shape)
        first, second, *core = self.parts
        if first.ndim != 2 or second.ndim != 2:
            return None
        if not core:
            return (first.shape[0], second.shape[1]) if first.shape[1] == second.shape[0] else None
        whole = core[0].ndim == 4 and core[0].shape[:2] == (first.shape[0], second.shape[0])
        return (first.shape[1], second.shape[1], *core[0].shape[2:]) if whole else None

    def value(self) -> Tensor:
        """The matrix, float32."""
        parts = [part.float() for part in self.parts]
        if len(parts) == 1:
            return parts[0]
        if len(parts) == 2:
            return parts[0] @ parts[1]
        # Two at a time: of three, einsum would first make every pair of the two ranks.
        return torch.einsum("rm,rnkl->mnkl", parts[0], torch.einsum("sn,rskl->rnkl", parts[1], parts[2]))


@dataclass(frozen=True)
class Hadamard:
    """LoHa: the elementwise product of two low-rank matrices."""

    first: Product
    second: Product
    scale: float = 1.0

    def fits(self, shape: Shape) -> bool:
        return all(p.shape is not None and _alike(p.shape, shape) for p in (self.first, self.second))

    def delta(self, weight: Tensor) -> Tensor:
        found = self.first.value() * self.second.value() * self.scale
        return found.reshape(weight.shape).to(weight.device)


@dataclass(frozen=True)
class Kronecker:
    """LoKr: the Kronecker product of two matrices."""

    first: Product
    second: Product
    scale: float = 1.0

    def fits(self, shape: Shape) -> bool:
        first, second = self.first.shape, self.second.shape
        if first is None or second is None or len(first) != 2 or len(second) < 2:
            return False
        return _alike((first[0] * second[0], first[1] * second[1], *second[2:]), shape)

    def delta(self, weight: Tensor) -> Tensor:
        first, second = self.first.value(), self.second.value()
        found = torch.kron(first[(...,) + (None,) * (second.ndim - 2)], second) * self.scale
        return found.reshape(weight.shape).to(weight.device)


@dataclass(frozen=True)
class Full:
    """The difference itself."""

    diff: Tensor

    def fits(self, shape: Shape) -> bool:
        return _alike(tuple(self.diff.shape), shape)

    def delta(self, weight: Tensor) -> Tensor:
        return self.diff.float().reshape(weight.shape).to(weight.device)


@dataclass(frozen=True)
class Gain:
    """IA3: each output, or each input, that much stronger.

    Args:
        gain: one number an output or an input.
        axis: 0 for outputs, 1 for inputs.
    """

    gain: Tensor
    axis: Literal[0, 1]

    def fits(self, shape: Shape) -> bool:
        return len(shape) > 1 and self.gain.numel() == shape[self.axis]

    def delta(self, weight: Tensor) -> Tensor:
        return weight.float() * along(self.gain.float().to(weight.device), self.axis, weight.ndim)


@dataclass(frozen=True)
class Decomposed:
    """DoRA: the changed weight, each of its rows or columns at a learnt length.

    Args:
        change: of the weight, before it is brought to length.
        magnitude: the lengths.
        axis: 0 where an output has a length, over all that it looks at (PEFT; LyCORIS with wd_on_out); 1 where an input
            has one (LyCORIS without).
    """

    change: Kind
    magnitude: Tensor
    axis: Literal[0, 1]

    def fits(self, shape: Shape) -> bool:
        return self.change.fits(shape) and self.magnitude.numel() == shape[self.axis]

    def delta(self, weight: Tensor) -> Tensor:
        base = weight.float()
        changed = base + self.change.delta(weight)
        others = [axis for axis in range(base.ndim) if axis != self.axis]
        length = torch.linalg.vector_norm(changed, dim=others, keepdim=True).clamp_min(torch.finfo(base.dtype).eps)
        return changed / length * along(self.magnitude.float().to(base.device), self.axis, base.ndim) - base


def along(values: Tensor, axis: int, ndim: int) -> Tensor:
    """Numbers laid along one axis of `ndim`."""
    return values.reshape([-1 if k == axis else 1 for k in range(ndim)])


def _alike(found: Shape, wanted: Shape) -> bool:
    """Whether they are the same but for how the axes after the first are counted: (8, 36) is (8, 4, 3, 3)."""
    if len(found) > 2 or len(wanted) < 2:
        return _squeezed(found) == _squeezed(wanted)
    return len(found) == 2 and found[0] == wanted[0] and found[1] == prod(wanted[1:])


def _squeezed(shape: Shape) -> Shape:
    """A shape without kernels of one cell at its end."""
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape
