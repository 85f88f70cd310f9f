"""Quantised weights that stay in their blocks, mapped from their file or on an accelerator, until they are used."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from unnoise.weights.entry import BLOCKS
from unnoise.weights.quants import all_finite, scales, unpacked

LARGEST = 57344.0
"""No number is larger times its scale: that of 8-bit floats; Q6_K, the widest of the others, ends at 4,096."""
_FIXED = "a quantised weight cannot be written to"
_ITSELF = (torch.ops.aten.detach.default, torch.ops.aten.alias.default)


class Packed(Tensor):
    """To all who look, a float32 tensor; whatever is done with it is done with its numbers, computed for that time.

    Args:
        blocks: uint8 (n,), whole blocks.
        kind: of the blocks, a key of `entry.BLOCKS`.
        shape: of the tensor; each of its rows is whole blocks.
        scale: float32 (), what all numbers are multiplied by; None where their blocks say so.
    """

    blocks: Tensor
    kind: str
    scale: Tensor | None

    @staticmethod
    def __new__(
        cls: type[Tensor], blocks: Tensor, kind: str, shape: torch.Size | tuple[int, ...], scale: Tensor | None = None
    ) -> "Packed":
        made = cast(Packed, Tensor._make_wrapper_subclass(cls, shape, dtype=torch.float32, device=blocks.device))
        made.blocks, made.kind, made.scale = blocks, kind, scale
        return made

    def __repr__(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]  torch's has options
        return f"Packed({self.kind}, {tuple(self.shape)}, {self.device})"

    def __setitem__(self, *_: Any) -> None:
        raise RuntimeError(_FIXED)

    def at(self, device: torch.device) -> "Packed":
        """The same blocks on a device."""
        return Packed(
            self.blocks.to(device), self.kind, self.shape, None if self.scale is None else self.scale.to(device)
        )

    def numbers(self, dtype: torch.dtype = torch.float32) -> Tensor:
        return self._unpacked(self.blocks, dtype).view(self.shape)

    def _unpacked(self, blocks: Tensor, dtype: torch.dtype) -> Tensor:
        if self.scale is None:
            return unpacked(blocks, self.kind, dtype)
        return unpacked(blocks, self.kind).mul_(self.scale).to(dtype)

    def sound(self, dtype: torch.dtype = torch.float32) -> bool:
        """Whether all of its numbers are finite in a type: its scales tell, and they alone where they are small."""
        if self.scale is None:
            scale = scales(self.blocks, self.kind).float().abs().max()
        elif all_finite(self.blocks, self.kind):
            scale = self.scale.abs()
        else:
            return False
        if bool(scale * LARGEST <= torch.finfo(dtype).max):
            return True
        return bool(torch.isfinite(scale)) and bool(torch.isfinite(self.numbers(dtype)).all())

    def rows(self, which: Tensor) -> Tensor:
        """Some of its rows, float32: (...) whole numbers -> (..., its other axes)."""
        if self.shape[1:].numel() % BLOCKS[self.kind][0]:
            return self.numbers()[which]
        chosen = self.blocks.view(self.shape[0], -1)[which.flatten()]
        return self._unpacked(chosen.flatten(), torch.float32).view(*which.shape, *self.shape[1:])

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """Another tensor of the same blocks, into which nobody can write."""
        made = Packed(self.blocks, self.kind, self.shape, self.scale)
        made = nn.Parameter(made, requires_grad=False) if isinstance(self, nn.Parameter) else made
        memo[id(self)] = made
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        own, kwargs = args[0], kwargs or {}
        if _written(func, args, kwargs):
            raise RuntimeError(_FIXED)
        if isinstance(own, Packed):
            if func in _ITSELF:
                return Packed(own.blocks, own.kind, own.shape, own.scale)
            if func is torch.ops.aten._to_copy.default:
                there = own.at(kwargs.get("device") or own.device)
                return there.numbers(kwargs.get("dtype") or own.dtype)
            if func is torch.ops.aten.embedding.default:
                return own.rows(args[1])
        args, kwargs = tree_map_only(Packed, Packed.numbers, (args, kwargs))
        return func(*args, **kwargs)


def _written(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether an operation would write into a packed tensor."""
    known = func._schema.arguments
    given = [*zip(known, args, strict=False), *((each, kwargs.get(each.name)) for each in known[len(args) :])]
    return any(isinstance(value, Packed) and each.is_write for each, value in given)
