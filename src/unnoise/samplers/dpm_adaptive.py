"""DPM-Solver with steps as long as a tolerance allows: DPM-Solver-12 or -23 (Lu et al. 2022a, appendix C).

Two solutions of neighbouring order share their evaluations, and their distance is the error of a step. It is taken
again, shorter, where that is too large; the next step's length follows from the last three errors by a PID rule (Hairer
and Wanner 1996, section IV.2; Soederlind 2003), as in k-diffusion's `sample_dpm_adaptive`. x is taken as on a
variance-preserving path, as in the paper, so that a tolerance means the same on every other. (k-diffusion takes x /
alpha, whose size at sigma 50 lets a single step to the data err by 50 times rtol.)

From alpha = 0, where log SNR begins at minus infinity, a first step of Euler's goes to alpha / sigma = sqrt(atol): the
guess moves by about alpha / sigma there, and x by half its square times the data's variance. The last step, from the
list's last noisy level to the clean one, is Euler's as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unnoise.core.error import Refused
from unnoise.core.level import half_log_snr, quieter, scalar
from unnoise.core.state import remember
from unnoise.samplers._mean import Point, carried, mean, size

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.denoiser import Denoise
    from unnoise.core.level import Level
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory

# In half log SNR. A step of the least length is taken whatever its error, which rounding may keep from falling; two
# solutions of a step beyond the greatest, a tenfold fall of sigma / alpha, may agree by accident and both be wrong.
SHORTEST, LONGEST = 1e-4, math.log(10)
MOST = 10_000
"""Steps of a run; a tolerance that asks for more would keep a person waiting for ever."""


@dataclass(frozen=True)
class DPMAdaptive:
    """A tolerance in place of a number of steps; two or three evaluations a step (fewer at the ends).

    The levels between a trajectory's first and its last noisy one do not count.

    Args:
        rtol, atol: the error allowed in a step, relative and absolute.
        order: 2 (two evaluations a step) or 3 (three).
        h_init: the first step's length in half log SNR.
        pcoeff, icoeff, dcoeff: the weights of the PID rule.
        accept_safety: the least growth, for the step to come, with which a step is taken.
    """

    alone: ClassVar[bool] = True

    rtol: float = 0.05
    atol: float = 0.0078
    order: int = 3
    h_init: float = 0.05
    pcoeff: float = 0.0
    icoeff: float = 1.0
    dcoeff: float = 0.0
    accept_safety: float = 0.81

    def __post_init__(self) -> None:
        if self.order not in (2, 3):
            raise Refused(f"dpm_adaptive has no order {self.order}", "its orders are 2 and 3", "sampler")
        if min(self.rtol, self.atol, self.h_init) <= 0:
            raise Refused("dpm_adaptive needs rtol, atol and h_init above 0", "leave them out for the usual", "sampler")
        if not 0 < self.accept_safety < 1:
            raise Refused("dpm_adaptive's accept_safety lies between 0 and 1", "the usual is 0.81", "sampler")

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        ahead = [level for level in trajectory.levels if quieter(level, state.level)]
        last = next((level for level in reversed(ahead) if not level.clean), state.level)
        end = state.step + MOST
        while quieter(last, state.level):
            if state.step == end:
                raise Refused(f"dpm_adaptive would take more than {MOST:,} steps", "raise rtol and atol", "sampler")
            data = denoise(state.x, state.level)
            if float(state.level.alpha) == 0:
                to = _reached(trajectory, math.log(self.atol) / 2, last)
                state = state.next(to.mix(data, state.level.noise_in(state.x, data)), to, data)
            else:
                state = self._step(denoise, state, data, trajectory, last)
            yield state
        if ahead and ahead[-1].clean:
            data = denoise(state.x, state.level)
            yield state.next(ahead[-1].mix(data, state.level.noise_in(state.x, data)), ahead[-1], data)

    def _step(self, denoise: Denoise, state: State, data: Tensor, trajectory: Trajectory, last: Level) -> State:
        now, kept = state.level, state.recall("dpm_adaptive")
        before = kept["low"] if kept else state.x / size(now)
        h = float(kept["h"]) if kept else min(self.h_init, LONGEST)
        older = [float(kept["inverse0"]), float(kept["inverse1"])] if kept else []
        while True:
            to = _reached(trajectory, half_log_snr(now) + h, last)
            low, high = self._pair(denoise, state.x, data, trajectory, (now, to))
            scaled = low / size(to)
            allowed = (self.rtol * scaled.abs().maximum(before.abs())).clamp(min=self.atol)
            error = float(((scaled - high / size(to)) / allowed).detach().square().mean().sqrt())
            inverse = 1 / (min(error, 1e8) + 1e-8)
            older = older or [inverse, inverse]
            growth = 1.0 if math.isnan(error) else self._growth(inverse, *older)
            if growth >= self.accept_safety or h <= SHORTEST:
                break
            h *= growth
        found = remember("dpm_adaptive", low=scaled, h=scalar(min(h * growth, LONGEST)))
        found |= remember("dpm_adaptive", inverse0=scalar(inverse), inverse1=scalar(older[0]))
        return state.next(high, to, data, found)

    def _pair(
        self, denoise: Denoise, x: Tensor, data: Tensor, trajectory: Trajectory, levels: tuple[Level, Level]
    ) -> tuple[Tensor, Tensor]:
        """The solutions of the lower and of the higher order at the step's end."""
        now, to = levels
        start, end = half_log_snr(now), half_log_snr(to)
        points = [Point(start, now.noise_in(x, data))]
        found = points[0].guess
        for part in (1 / 2,) if self.order == 2 else (1 / 3, 2 / 3):
            level = trajectory.at(2 * (start + part * (end - start)))
            there = carried(x, now, level, mean(points, half_log_snr(level), 1.0), data)
            points.append(Point(half_log_snr(level), level.noise_in(there, denoise(there, level))))
        if self.order == 2:
            return carried(x, now, to, found, data), carried(x, now, to, points[1].guess, data)
        lower = found + 3 / 2 * (points[1].guess - found)
        return carried(x, now, to, lower, data), carried(x, now, to, mean(points[::2], end, 1.0), data)

    def _growth(self, first: float, second: float, third: float) -> float:
        """How much longer the next step may be, from the last three errors' inverses."""
        p, i, d = (c / self.order for c in (self.pcoeff, self.icoeff, self.dcoeff))
        return 1 + math.atan(first ** (p + i + d) * second ** -(p + 2 * d) * third**d - 1)


def _reached(trajectory: Trajectory, at: float, last: Level) -> Level:
    """The level of this half log SNR, or the last noisy one, if that is where a step would end."""
    return last if at > half_log_snr(last) - 1e-5 else trajectory.at(2 * at)


sampler = DPMAdaptive
aliases = ["DPM adaptive", "k_dpm_adaptive"]
