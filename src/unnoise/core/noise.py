"""Noise that depends on the sample's seed, the step and the purpose; never on its batch, the device or the past."""

import hashlib
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from unnoise.core.error import Refused


class Noise(Protocol):
    """Unit-variance noise of x's shape, dtype and device, one stream for each (step, purpose)."""

    def __call__(self, x: Tensor, step: int, purpose: str = "step", /) -> Tensor: ...


@dataclass(frozen=True)
class Seeds:
    """One seed a sample of the batch.

    Args:
        values: whole numbers from 0 to 2**64 - 1. torch's CPU generator starts from the lower 32 bits, so that seeds
            2**32 apart begin with the same noise, as they do everywhere; later draws tell them apart.
    """

    values: tuple[int, ...]

    def __post_init__(self) -> None:
        for seed in self.values:
            if not 0 <= seed < 2**64:
                raise Refused(f"seed {seed} is out of range", "seeds run from 0 to 2**64 - 1", "seed")

    def start(self, shape: tuple[int, ...]) -> Tensor:
        """The noise a run starts from, float32 of shape (B, *shape), as diffusers and ComfyUI draw it on a CPU."""
        return torch.stack([_randn(shape, seed) for seed in self.values])

    def __call__(self, x: Tensor, step: int, purpose: str = "step") -> Tensor:
        """A later draw, keyed by a hash of (seed, step, purpose).

        Raises:
            Refused: there is not one seed for each sample of x.
        """
        if len(self.values) != len(x):
            raise Refused(f"{len(self.values)} seeds for a batch of {len(x)}", "give one seed a sample", "seed")
        drawn = [_randn(tuple(x.shape[1:]), _key(seed, step, purpose)) for seed in self.values]
        return torch.stack(drawn).to(x)


def _randn(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32)


def _key(seed: int, step: int, purpose: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{step}/{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
