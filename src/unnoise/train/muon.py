"""Muon (Jordan et al. 2024): the momentum of a matrix's gradient, brought near the orthogonal matrix next to it.

Newton and Schulz's iteration does that in matrix products alone: with X of unit norm, X <- a X + (b A + c A²) X where
A = X Xᵀ, five times over, takes every singular value near one. Its step is scaled to the size of AdamW's (Liu et al.
2025, section 2.2). torch's own iterates in bfloat16 on any machine, which takes a CPU without it ten times as long as
float32; this one takes the type that the machine is quick in, and matrices of one shape together.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from unnoise.nn.native import native

QUINTIC = (3.4445, -4.7750, 2.0315)
ROUNDS = 5
MOMENTUM = 0.95


class Muon(torch.optim.Optimizer):
    """Args:
    matrices: parameters of two axes.
    rate: the step's size, as AdamW's.
    decay: decoupled weight decay.
    """

    def __init__(self, matrices: Iterable[Tensor], rate: float, decay: float) -> None:
        super().__init__(list(matrices), {"lr": rate, "weight_decay": decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] # no closure is used
        for group in self.param_groups:
            for matrices in _alike(p for p in group["params"] if p.grad is not None):
                directions = orthogonal(torch.stack([self._momentum(p) for p in matrices]))
                size = group["lr"] * 0.2 * max(matrices[0].shape) ** 0.5
                for matrix, direction in zip(matrices, directions, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"])
                    matrix.add_(direction.to(matrix.dtype), alpha=-size)

    def _momentum(self, matrix: Tensor) -> Tensor:
        """Nesterov's: the gradient's average, and the gradient once more."""
        gradient, state = matrix.grad, self.state[matrix]
        assert gradient is not None
        kept: Any = state.setdefault("momentum_buffer", torch.zeros_like(gradient))
        kept.lerp_(gradient, 1 - MOMENTUM)
        return torch.lerp(gradient, kept, MOMENTUM)


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices (N, A, B) with singular values near one and the same singular vectors, in a type quick to compute in."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.to(native(matrices.device.type, torch.bfloat16))
    x = x.mT if tall else x
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-7)
    x = _through_gram(x) if x.dtype == torch.float32 and x.shape[2] >= 2 * x.shape[1] else _directly(x)
    return x.mT if tall else x


def _directly(x: Tensor) -> Tensor:
    a, b, c = QUINTIC
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _through_gram(x: Tensor) -> Tensor:
    """The same iteration on A = X Xᵀ alone, for wide X (N, A, B): every round is X <- P X with P a polynomial of A,
    so that A <- P A P, and X is multiplied once by all of them. It squares rounding errors: float32 alone bears it.
    """
    a, b, c = QUINTIC
    gram, product = x @ x.mT, None
    for k in range(ROUNDS):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        product = factor if product is None else factor @ product
        gram = gram if k == ROUNDS - 1 else factor @ gram @ factor
    assert product is not None
    return product @ x


def _alike(matrices: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    """Matrices by their shape."""
    found: dict[torch.Size, list[Tensor]] = {}
    for matrix in matrices:
        found.setdefault(matrix.shape, []).append(matrix)
    return found.values()
