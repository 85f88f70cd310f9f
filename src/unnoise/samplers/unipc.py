"""UniPC: a predictor in half log SNR and a corrector that costs no evaluation of its own (Zhao et al. 2023).

Both are exponential Adams methods on the data guess (algorithms 1 and 2, in their form for data prediction). The guess
made at a step's end, needed there for the next step, also corrects the step behind it, so the corrector comes late: it
moves x before the next prediction, and the guess stays as it was made.

The paper's B(h) cancels out of its linear systems, whose solution is the integral of the polynomial; it is seen only
where the weight is set to 1/2 instead, in a predictor of order 2 and a corrector of order 1: `bh1` is h, `bh2` is
exp(h) - 1. For a step from alpha = 0, endless in log SNR, 1/2 is the exact limit for guesses linear in alpha / sigma.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unnoise.core.level import half_log_snr, scalar
from unnoise.core.state import remember
from unnoise.samplers._mean import Point, mean, order_of, phi, recalled, remembered

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class UniPC:
    """One evaluation a step. Order 2 or more: a predictor of order p, corrected, has order p + 1 after its first steps.

    Args:
        order: of the predictor, 1 to 3; 2 is recommended for guided sampling, 3 for unguided.
        variant: the B(h) of the paper, `bh1` or `bh2`.
        lower_final: no higher an order than steps are left, as published; steadier where the last ones are long.
    """

    order: int = 2
    variant: Literal["bh1", "bh2"] = "bh2"
    lower_final: bool = True

    def __post_init__(self) -> None:
        order_of(self.order, 3, "unipc")

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        steps = list(state.remaining(trajectory))
        for taken, (now, to) in enumerate(steps):
            data = denoise(state.x, now)
            here, past = Point(half_log_snr(now), data), recalled(state, "unipc")
            x = state.x
            if past:
                before = state.recall("unipc")
                better = self._corrected(past[: int(before["order"])], here)
                x = x + (now.alpha - now.sigma * math.exp(past[0].at)) * (better - before["mean"])
            known = sum(math.isfinite(p.at) for p in (here, *past))
            order = max(min(self.order, known, len(steps) - taken if self.lower_final else self.order), 1)
            guess = self._predicted([here, *past][:order], half_log_snr(to))
            memory = remembered("unipc", [here, *past][: self.order])
            memory |= remember("unipc", mean=guess, order=scalar(order))
            state = state.next(to.mix(guess, now.noise_in(x, guess)), to, data, memory)
            yield state

    def _predicted(self, points: Sequence[Point], to: float) -> Tensor:
        """The mean data guess over the step ahead."""
        if len(points) != 2 or math.isinf(to):
            return mean(points, to, -1.0)
        (here, data), (there, before) = points
        return data + self._half(to - here) * (to - here) / (here - there) * (data - before)

    def _corrected(self, points: Sequence[Point], end: Point) -> Tensor:
        """The mean data guess over the step behind, with the guess at its end known."""
        if len(points) > 1:
            return mean([*points, end], end.at, -1.0)
        return points[0].guess + self._half(end.at - points[0].at) * (end.guess - points[0].guess)

    def _half(self, length: float) -> float:
        return 0.5 if self.variant == "bh2" or math.isinf(length) else 0.5 / phi(1, -length)


sampler = UniPC
aliases = {"UniPC": "unipc", "UniPCMultistepScheduler": "unipc", "uni_pc_bh2": "unipc:variant=bh2"}
