"""What a machine computes in, and layers that follow what they are given: its type and its device.

A CPU without instructions for a half-precision type multiplies it some ten times slower than float32 (torch 2.13 on an
AVX2 machine: 10 against 80 GFLOP/s in a linear layer, 1 to 10 against 80 in a convolution). There, features are
float32 while weights stay as they are stored: half the memory, all the speed, and smaller errors.

So a layer's weights may also stay where they are stored: mapped from their file, of another type, or in the memory of
the CPU beside a small accelerator. Each is brought over when its layer's turn comes, and dropped behind it.
"""

import torch
from torch import Tensor, nn

from unnoise.nn.gathered import few, gathered
from unnoise.nn.winograd import quickest, winograd


def multiplied(dtype: torch.dtype) -> bool:
    """Whether this machine's CPU multiplies a half-precision type at more than float32's pace."""
    if not torch.backends.mkldnn.is_available():
        return False
    ops = torch.ops.mkldnn
    return bool(ops._is_mkldnn_bf16_supported() if dtype == torch.bfloat16 else ops._is_mkldnn_fp16_supported())


HALVES = {dtype: dtype if multiplied(dtype) else torch.float32 for dtype in (torch.bfloat16, torch.float16)}
"""What this machine's CPU computes in where weights are of these types."""


def native(device: str, dtype: torch.dtype) -> torch.dtype:
    """What to compute in where weights of this type lie on this type of device."""
    return HALVES.get(dtype, dtype) if device == "cpu" else dtype


class Linear(nn.Linear):
    """torch's, in the type of what it is given. Still a `nn.Linear` to whatever looks for one."""

    follows = True

    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.linear(input, self.weight.to(input), _as(self.bias, input))


class Conv2d(nn.Conv2d):
    """torch's, in the type of what it is given. Still a `nn.Conv2d` to whatever looks for one."""

    follows = True

    def forward(self, input: Tensor) -> Tensor:
        weight, bias = self.weight.to(input), _as(self.bias, input)
        if self.near:
            if few(input, weight, self.stride[0]):
                return gathered(input, weight, bias, self.stride[0])
            if self.stride == (1, 1) and (basis := quickest(input, weight)):
                return winograd(input, weight, bias, basis)
        return self._conv_forward(input, weight, bias)

    @property
    def near(self) -> bool:
        """Whether it looks at a cell and its eight neighbours, zeros beyond the border, in even strides."""
        shape = (self.kernel_size, self.padding, self.dilation, self.groups, self.padding_mode)
        return shape == ((3, 3), (1, 1), (1, 1), 1, "zeros") and len({*self.stride}) == 1


class LayerNorm(nn.LayerNorm):
    """torch's, in the type of what it is given."""

    follows = True

    def forward(self, input: Tensor) -> Tensor:
        weight, bias = self.weight.to(input), _as(self.bias, input)
        return nn.functional.layer_norm(input, self.normalized_shape, weight, bias, self.eps)


class Embedding(nn.Embedding):
    """torch's, which looks up where its table is: what it gives is of the table's type, and on its device."""

    follows = True

    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.embedding(input.to(self.weight.device), self.weight)


def _as(bias: Tensor | None, like: Tensor) -> Tensor | None:
    return None if bias is None else bias.to(like)
