"""What a record keeps of every step, and where two such trails part.

A digest tells whether two runs are at the same x, to the bit. Four numbers beside it tell about how far apart they are
where x itself is gone: sums of x under fixed random signs, a quarter of its values each, over the square root of their
count. The squares of such sums keep lengths in expectation (Johnson and Lindenstrauss 1984; with signs, Achlioptas
2003), so the root of the squared differences estimates the root mean square of x - x'.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from unnoise.media.record import Mark

PARTS = 4
_MOST = 2**15
"""About how many values the numbers look at; the digest sees all."""


def mark(x: Tensor) -> Mark:
    """One sample (C, ...) as a digest of its bytes and four numbers."""
    flat = x.detach().cpu().contiguous().flatten()
    digest = hashlib.sha256(flat.numpy().tobytes()).hexdigest()[:8]
    few = flat[:: 1 + len(flat) // _MOST].double()
    few = (
        few[: len(few) - len(few) % PARTS] if len(few) >= PARTS else torch.nn.functional.pad(few, (0, PARTS - len(few)))
    )
    sums = (few * _signs(len(few))).view(-1, PARTS).sum(0) / math.sqrt(len(few))
    a, b, c, d = (float(f"{v:.9g}") for v in sums.tolist())
    return digest, a, b, c, d


@lru_cache(4)
def _signs(count: int) -> Tensor:
    random = torch.Generator("cpu").manual_seed(0)
    return torch.randint(0, 2, (count,), generator=random, dtype=torch.int8).double() * 2 - 1


@dataclass(frozen=True)
class Parting:
    """Where two runs part.

    Args:
        step: the first after which x differs, from 1.
        steps: of how many, in the first run.
        apart: about how far a value of x is off there, as a root mean square.
    """

    step: int
    steps: int
    apart: float


def parting(first: Sequence[Mark], second: Sequence[Mark]) -> Parting | None:
    """Where the second trail leaves the first; None where they are one."""
    for step, (one, other) in enumerate(zip(first, second, strict=False), 1):
        if one[0] != other[0]:
            return Parting(step, len(first), math.dist(one[1:], other[1:]))
    if len(first) != len(second):
        return Parting(min(len(first), len(second)) + 1, len(first), math.nan)
    return None
