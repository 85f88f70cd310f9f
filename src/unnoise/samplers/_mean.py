"""What multi-step samplers share: Euler's step with a better guess, the mean of a polynomial over the step.

The polynomial goes through the guesses at hand, now and before, as a function of a coordinate s of the path. With
rate r its mean over a step of length h is that of exp(r (h - s)), the weight which the exact solution gives it:

    r = 0     Adams' methods, in any coordinate (Hairer, Norsett and Wanner 1993, section III.1 and III.5)
    r = +1    the noise guess in half log SNR (Lu et al. 2022a, prop. 3.1; Zhang and Chen 2023, in log rho)
    r = -1    the data guess in half log SNR (Lu et al. 2022b, prop. 4.1; Zhang et al. 2023)

Guesses at an infinite coordinate (alpha = 0) are the limit of ones far away, whose weight is nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from unnoise.core.error import Refused
from unnoise.core.level import scalar
from unnoise.core.state import remember

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.level import Level
    from unnoise.core.state import State


class Point(NamedTuple):
    """A guess and the coordinate at which it was made."""

    at: float
    guess: Tensor


def recalled(state: State, owner: str) -> list[Point]:
    """The points this owner left in memory, newest first."""
    found = state.recall(owner)
    count = sum(name.startswith("guess") for name in found)
    return [Point(float(found[f"at{k}"]), found[f"guess{k}"]) for k in range(count)]


def remembered(owner: str, points: Sequence[Point]) -> dict[str, Tensor]:
    """Points as a state's memory holds them."""
    values: Mapping[str, Tensor] = {f"guess{k}": p.guess for k, p in enumerate(points)}
    return remember(owner, **values, **{f"at{k}": scalar(p.at) for k, p in enumerate(points)})


def carried(x: Tensor, now: Level, to: Level, noise: Tensor, data: Tensor) -> Tensor:
    """Euler's step with this noise, whatever data that leaves; at alpha = 0 it leaves none, and `data` is taken."""
    if float(now.alpha) == 0:
        return to.mix(data, noise)
    return to.alpha / now.alpha * x + (to.sigma - to.alpha * now.ratio) * noise


def size(level: Level) -> Tensor:
    """The standard deviation of x for data of unit variance; divided by it, every path is a variance-preserving one."""
    return (level.alpha**2 + level.sigma**2).sqrt()


def leaps(now: Level, to: Level) -> bool:
    """Whether a step from much noise is so long that a noise guess made on its way says nothing of the whole.

    An error e of that guess moves the data by e now.ratio; it is small while sigma / alpha falls at most tenfold, and
    anything where guesses are made among data of unit size, below 1. Infinite at alpha = 0.
    """
    return float(now.ratio) > 10 * max(float(to.ratio), 1.0)


def mean(points: Sequence[Point], to: float, rate: float = 0.0) -> Tensor:
    """The mean guess over the step from the first point's coordinate to this one; the first guess if it is endless."""
    start = points[0].at
    near = [p for p in points if math.isfinite(p.at)]
    if not math.isfinite(start) or not math.isfinite(to) or len(near) == 1:
        return points[0].guess
    length = to - start
    shares = weights([(p.at - start) / length for p in near], rate * length)
    return total([p.guess for p in near], shares)


def ahead(guesses: Sequence[Tensor]) -> Tensor:
    """The mean over the next of equal steps: the Adams-Bashforth weights, such as (55, -59, 37, -9) / 24."""
    return mean([Point(-float(k), guess) for k, guess in enumerate(guesses)], 1.0)


def total(guesses: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """The guesses, each times its share, added up in order."""
    found = shares[0] * guesses[0]
    for guess, share in zip(guesses[1:], shares[1:], strict=True):
        found = found + share * guess
    return found


def weights(nodes: Sequence[float], z: float) -> list[float]:
    """The share of each node's guess in the mean over 0 to 1 under exp(z (1 - s)); they add up to 1."""
    moments = [math.factorial(j) * phi(j + 1, z) / phi(1, z) for j in range(len(nodes))]
    found: list[float] = []
    for i, own in enumerate(nodes):
        powers = [1.0]  # Lagrange's polynomial of this node, lowest power first
        for other in [*nodes[:i], *nodes[i + 1 :]]:
            low, high = [-other * c for c in powers], powers
            powers = [(a + b) / (own - other) for a, b in zip([*low, 0.0], [0.0, *high], strict=True)]
        found.append(sum(c * m for c, m in zip(powers, moments, strict=True)))
    return found


def phi(k: int, z: float) -> float:
    """The exponential integrators' phi_k: phi_0 = exp, phi_(k+1) = (phi_k - 1 / k!) / z."""
    if abs(z) < 1:  # where those differences lose their digits
        return sum(z**n / math.factorial(n + k) for n in range(18))
    found = math.exp(z)
    for j in range(k):
        found = (found - 1 / math.factorial(j)) / z
    return found


def order_of(order: int, most: int, sampler: str) -> int:
    """A multi-step method's order, checked."""
    if not 1 <= order <= most:
        raise Refused(f"{sampler} has no order {order}", f"its orders are 1 to {most}", "sampler")
    return order
