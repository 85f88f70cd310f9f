"""Weights in int8 through torchao: a scale for each row, and inputs in int8 beside them where that pays.

Inputs are quantised token by token as they come, on CPUs that multiply int8 in hardware (AVX-512 VNNI, AMX). Others
go through int8 products some thirty times slower than float32's (torch 2.13, AVX2: 1 against 30 to 40 GFLOP/s), and on
an accelerator torchao waits in every layer for a matrix to be printed, to see whether it is being compiled. There, and
where a gradient is asked for, which rounding has none of, a layer computes in its input's type with its weight's
numbers.

Importing this imports torchao (extra `quant`).
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.utils._pytree import tree_map_only
from torchao.quantization import Int8Tensor, PerRow
from torchao.quantization.quantize_.workflows.int8.int8_tensor import QuantizeTensorToInt8Kwargs

CHUNK = 2**18
"""Numbers that are quantised at once."""


_MOVES = tuple(getattr(torch.ops.aten, name).default for name in ("alias", "clone", "detach", "_to_copy"))


class Whole(Int8Tensor):
    """A weight (rows, columns) of whole numbers, and a scale for each row. It is multiplied and moved as it is;
    whatever else is done with it is done with its numbers, computed for that time."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is linear and isinstance(args[1], cls) and (torch.is_grad_enabled() or not args[1].act_quant_kwargs):
            return linear(args[0], args[1].numbers(args[0].dtype), *args[2:], **(kwargs or {}))
        return super().__torch_function__(func, types, args, kwargs)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _MOVES:
            return super().__torch_dispatch__(func, types, args, kwargs)
        args, kwargs = tree_map_only(cls, cls.numbers, (args, kwargs or {}))
        return func(*args, **kwargs)

    def numbers(self, dtype: torch.dtype | None = None) -> Tensor:
        """(rows, columns) of floating point."""
        return (self.qdata * self.scale).to(dtype or self.dtype)


def multiplied(device: torch.device) -> bool:
    """Whether int8 is multiplied at more than float32's pace."""
    cpu: Any = torch.cpu  # what it says of itself has no public name
    return device.type == "cpu" and bool(cpu._is_vnni_supported() or cpu._is_amx_tile_supported())


def whole(weight: Tensor, device: torch.device, dtype: torch.dtype) -> Whole:
    """A weight quantised, a few rows at once in memory: each row's largest number becomes 127 or -128.

    Args:
        weight: (rows, columns), at least two columns.
        dtype: that it is said to be of.
    """
    made = unset((weight.shape[0], weight.shape[1]), device, dtype)
    rows = max(1, CHUNK // weight.shape[1])
    for stored, data, scale in zip(weight.split(rows), made.qdata.split(rows), made.scale.split(rows), strict=True):
        part: Any = Int8Tensor.from_hp(stored.to(device, torch.float32), PerRow())
        data.copy_(part.qdata)
        scale.copy_(part.scale)
    return made


def unset(shape: tuple[int, int], device: torch.device, dtype: torch.dtype) -> Whole:
    """A weight whose numbers are not set."""
    data, scale = torch.empty(shape, dtype=torch.int8, device=device), torch.empty(shape[0], 1, device=device)
    inputs = QuantizeTensorToInt8Kwargs(PerRow()) if multiplied(device) else None
    return Whole(data, scale, [1, shape[1]], dtype, act_quant_kwargs=inputs)
