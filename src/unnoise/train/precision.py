"""The type a training computes in."""

import torch
from torch import Tensor

from unnoise.nn.native import native


def computing(like: Tensor, kind: torch.dtype | None) -> torch.autocast:
    """Autocast to a half-precision type on this tensor's device, if one is asked for and the machine is quick in it."""
    device = like.device.type
    wanted = kind is not None and native(device, kind) == kind
    return torch.autocast(device, kind or torch.bfloat16, enabled=wanted)
