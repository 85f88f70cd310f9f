"""The training loop, whole and visible. It yields a report after each step; using it is the caller's affair."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    examples: Iterable[Example],
    factor: Callable[[int], float],
    start: int = 0,
) -> Iterator[Report]:
    """Descend each loss with its role's optimizer, one example a step.

    Args:
        factor: step, from 1 -> the share of the learning rate.
        start: steps already done.
    """
    for step, example in enumerate(examples, start + 1):
        losses: list[Loss] = []
        norms: dict[str, Tensor] = {}
        for loss in objective(example):
            loss.value.backward()
            norms[loss.role] = optimizers[loss.role].step(factor(step))
            losses.append(Loss(loss.role, loss.value.detach(), loss.metrics))
        yield Report(step, tuple(losses), norms)


def generator(seed: int, step: int, device: torch.device) -> torch.Generator:
    """The randomness of one step, a function of (seed, step).

    Dropout draws from torch's global generator, which is seeded here too, with a key of its own: the same key would
    make its masks a function of the noise.
    """
    torch.manual_seed(_key(f"{seed}/{step}/dropout"))
    return torch.Generator(device).manual_seed(_key(f"{seed}/{step}"))


def _key(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "little")
