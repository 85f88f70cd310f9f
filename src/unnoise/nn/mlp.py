"""The two-layer network of a transformer block."""

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear, GELU, linear.

    Args:
        width: in and out.
        ratio: the hidden width over the outer one.
    """

    def __init__(self, width: int, ratio: float = 4.0) -> None:
        super().__init__()
        hidden = int(width * ratio)
        self.first = nn.Linear(width, hidden)
        self.second = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)"""
        return self.second(nn.functional.gelu(self.first(x), approximate="tanh"))
