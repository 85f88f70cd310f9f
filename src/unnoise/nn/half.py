"""Numbers that fit into float16."""

import torch
from torch import Tensor

LARGEST = 65504.0


def bounded(x: Tensor) -> Tensor:
    """The same numbers; in float16, infinite ones become the largest there is, and a deep sum stays a number."""
    return x.clamp(-LARGEST, LARGEST) if x.dtype == torch.float16 else x
