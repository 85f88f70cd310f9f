"""What people vary of a Fashion-MNIST recipe, whatever its method."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Clothes:
    """Settings of a training on Fashion-MNIST.

    Args:
        data: The folder of Fashion-MNIST's four files.
        width: Channels of the U-Net's first level, a multiple of 16.
        steps: How long to train.
        batch: Pictures a step.
        rate: The learning rate.
        seed: The one source of randomness.
        compiled: Run the network through torch.compile (needs a C++ compiler on a CPU).
    """

    data: Path | None = None
    width: int = 32
    steps: int = 3000
    batch: int = 64
    rate: float = 1e-3
    seed: int = 0
    compiled: bool = False
