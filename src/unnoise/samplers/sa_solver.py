"""SA-Solver: stochastic Adams steps, each predicted and then corrected by the guess at its end (Xue et al. 2023).

With lambda = log(alpha / sigma) and rate = 1 + tau², the data of a step is the polynomial through the last guesses,
averaged with the weight exp(rate lambda). The corrector takes the step again with the guess at its end among them and
the same noise, which moves x by the difference of the two averages and no more. Within a range of noise the equation is
stochastic, elsewhere it is the ODE. Of a step from alpha = 0 nothing is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unnoise.core.error import Refused
from unnoise.core.level import half_log_snr
from unnoise.core.state import remember
from unnoise.samplers._mean import Point, mean, recalled, remembered
from unnoise.samplers.dpmpp_2m_sde import drawn_share

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory

OWNER = "sa_solver"


@dataclass(frozen=True)
class SASolver:
    """One evaluation a step; stochastic where tau > 0.

    Args:
        predictor: how many guesses predict a step, 1 to 4.
        corrector: how many correct it, the new one among them, up to 4; 0 leaves it as predicted.
        tau: how stochastic it is, 0 (the ODE), 1 (the reverse of the forward process) or beyond.
        low, high: the range of sigma / alpha within which it is.
        slope: how a line through two guesses is averaged, with the `exponential` weight or, as the authors' code does
            for runs of few steps, as if that were even (`straight`); the order is the same.
    """

    predictor: int = 2
    corrector: int = 2
    tau: float = 1.0
    low: float = 0.05
    high: float = 50.0
    slope: Literal["exponential", "straight"] = "exponential"

    def __post_init__(self) -> None:
        if not (1 <= self.predictor <= 4 and 0 <= self.corrector <= 4):
            raise Refused(
                f"sa_solver has no predictor of {self.predictor} and corrector of {self.corrector} guesses",
                "a predictor takes 1 to 4, a corrector 0 to 4",
                "sampler",
            )

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            here, past = half_log_snr(now), recalled(state, OWNER)
            data, x = denoise(state.x, now), state.x
            known = [Point(here, data), *past]
            if past and self.corrector:
                last, before = past[0], state.recall(OWNER)["used"]
                better = data
                if self.corrector > 1:  # from where the step began, which is the second of those known
                    better = self._average([last, known[0], *known[2 : self.corrector]], here)
                x = x - now.alpha * math.expm1(self._rate(last.at) * (last.at - here)) * (better - before)
            settled = float(now.alpha) > 0 and not to.clean
            guess = self._average(known[: self.predictor], half_log_snr(to)) if settled else data
            share = drawn_share(now, to, self._rate(here) - 1)
            end = to.mix(guess, (1 - share).sqrt() * now.noise_in(x, guess))
            if self._rate(here) > 1 and not to.clean:
                end = end + to.sigma * share.sqrt() * noise(x, state.step)
            memory = remembered(OWNER, known[:3]) | remember(OWNER, used=guess) if settled else None
            state = state.next(end, to, data, memory)
            yield state

    def _rate(self, half: float) -> float:
        """1 + tau², by the half log SNR at which a step begins."""
        ratio = math.exp(min(-half, 700.0))
        return 1 + self.tau**2 if self.low <= ratio <= self.high else 1.0

    def _average(self, points: list[Point], to: float) -> Tensor:
        """Over the step from the first point to this half log SNR."""
        rate, first = self._rate(points[0].at), points[0]
        if self.slope == "exponential" or len(points) != 2:
            return mean(points, to, -rate)
        step = to - first.at
        weight = rate * step**2 / 2 / -math.expm1(-rate * step)
        return first.guess + weight / (points[1].at - first.at) * (points[1].guess - first.guess)


sampler = SASolver
aliases = {"SA-Solver": "sa_solver", "SASolverScheduler": "sa_solver:slope=straight"}
