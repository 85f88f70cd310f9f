"""The training loop, whole and visible. It yields a report after each step; using it is the caller's affair."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.train.objective import Example, Loss, Objective
from unnoise.train.optimizers import Stepper


@dataclass(frozen=True)
class Report:
    """One step: its number from 1, its losses, and the norm of each role's gradient before clipping."""

    step: int
    losses: tuple[Loss, ...]
    norms: Mapping[str, Tensor]


def train(
    objective: Objective,
    optimizers: Mapping[str, Stepper],
    examples: Iterable[Sequence[Example]],
    factor: Callable[[int], float],
    start: int = 0,
) -> Iterator[Report]:
    """Descend each loss with its role's optimizer, one batch a step.

    Args:
        examples: a step's batch, whole or in pieces that go through the networks one after the other.
        factor: step, from 1 -> the share of the learning rate.
        start: steps already done.
    """
    for step, pieces in enumerate(examples, start + 1):
        losses: list[Loss] = []
        norms: dict[str, Tensor] = {}
        for loss in _descended(objective, pieces):
            norms[loss.role] = optimizers[loss.role].step(factor(step))
            losses.append(loss)
        yield Report(step, tuple(losses), norms)


def _descended(objective: Objective, pieces: Sequence[Example]) -> Iterator[Loss]:
    """Each role's loss with its gradient, added up over all pieces before the next role's is asked for."""
    sizes = [len(piece.data) for piece in pieces]
    shares = [size / sum(sizes) for size in sizes]
    for parts in zip(*map(_backward, map(objective, pieces), shares), strict=True):
        yield parts[0] if len(parts) == 1 else _joined(parts, shares)


def _backward(losses: Iterator[Loss], share: float) -> Iterator[Loss]:
    for loss in losses:
        (loss.value * share).backward()
        yield Loss(loss.role, loss.value.detach(), loss.metrics)


def _joined(parts: Sequence[Loss], shares: Sequence[float]) -> Loss:
    """The pieces' losses as that of the whole batch."""
    metrics = {
        name: torch.cat([part.metrics[name] for part in parts])
        if value.ndim
        else _mean([part.metrics[name] for part in parts], shares)
        for name, value in parts[0].metrics.items()
    }
    return Loss(parts[0].role, _mean([part.value for part in parts], shares), metrics)


def _mean(values: Iterable[Tensor], shares: Iterable[float]) -> Tensor:
    return torch.stack([value * share for value, share in zip(values, shares, strict=True)]).sum(0)


def generator(seed: int, step: int, device: torch.device) -> torch.Generator:
    """The randomness of one step, a function of (seed, step).

    Dropout draws from torch's global generator, which is seeded here too, with a key of its own: the same key would
    make its masks a function of the noise.
    """
    torch.manual_seed(_key(f"{seed}/{step}/dropout"))
    return torch.Generator(device).manual_seed(_key(f"{seed}/{step}"))


def _key(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "little")
