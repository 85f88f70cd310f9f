"""ER-SDE-Solver: the extended reverse equation, its noise set by a function phi of sigma / alpha (Cui et al. 2023).

Orders 1 to 3, in r = sigma / alpha and y = x / alpha. A step keeps phi(r_to) / phi(r_now) of y, takes the rest from the
guess, carries the guess on by Taylor's series, and draws what the variance lacks. phi = r is the ODE, phi = r² the
reverse of the forward process, phi = r (exp(r^0.3) + 10) the authors' choice (their SDE 5, appendix A.8). The weight of
the guess's k-th derivative is the integral of (phi(r_to) / phi(r) - 1) (r - r_now)^(k-1) over the step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unnoise.core.error import Refused
from unnoise.core.level import scalar
from unnoise.core.state import remember

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.denoiser import Denoise
    from unnoise.core.level import Level
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory

PARTS = 128


@dataclass(frozen=True)
class ERSDE:
    """One evaluation a step, stochastic unless `form` is `ode`.

    Args:
        order: how many guesses a step uses, 1 to 3.
        form: the function phi, the authors' (`extended`), the forward process's own (`sde`) or none (`ode`).
        s_noise: a factor on the fresh noise.
    """

    order: int = 3
    form: Literal["extended", "sde", "ode"] = "extended"
    s_noise: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.order <= 3:
            raise Refused(f"er_sde has no order {self.order}", "its orders are 1, 2 and 3", "sampler")

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data, before = denoise(state.x, now), state.recall("er_sde")
            kept = self._relative(float(to.ratio)) / self._relative(float(now.ratio))
            x = to.mix(data, kept * now.noise_in(state.x, data))
            slopes = self._slopes(data, now, before) if self.order > 1 and float(now.alpha) > 0 else []
            if slopes and not to.clean:
                x = x + to.alpha * self._taylor(slopes, now, to)
            if kept < 1 and not to.clean:
                x = x + to.sigma * math.sqrt(1 - kept**2) * self.s_noise * noise(state.x, state.step)
            state = state.next(x, to, data, self._kept(data, now, before, slopes))
            yield state

    def _relative(self, ratio: float) -> float:
        """phi(r) / r."""
        if self.form == "extended":
            return math.inf if math.isinf(ratio) else math.exp(min(ratio**0.3, 700.0)) + 10
        return ratio if self.form == "sde" else 1.0

    def _slopes(self, data: Tensor, now: Level, before: dict[str, Tensor]) -> list[Tensor]:
        """The guess's derivatives in r at `now`, by its differences."""
        if not before:
            return []
        slope = (data - before["data"]) / (now.ratio - before["ratio"])
        if self.order < 3 or "slope" not in before:
            return [slope]
        return [slope, 2 * (slope - before["slope"]) / (now.ratio - before["ratio_2"])]

    def _taylor(self, slopes: list[Tensor], now: Level, to: Level) -> Tensor:
        """Simpson's rule in log r, over which every phi is smooth."""
        start, end = float(now.ratio), float(to.ratio)
        width = math.log(start / end) / PARTS
        weights = [0.0] * len(slopes)
        for i in range(PARTS + 1):
            r = end * math.exp(i * width)
            share = (1 if i in (0, PARTS) else 4 if i % 2 else 2) * width / 3 * r
            value = self._relative(end) * end / (self._relative(r) * r) - 1
            weights = [w + share * value * (r - start) ** k for k, w in enumerate(weights)]
        first, *rest = [w * slope for w, slope in zip(weights, slopes, strict=True)]
        return sum(rest, first)

    def _kept(self, data: Tensor, now: Level, before: dict[str, Tensor], slopes: list[Tensor]) -> dict[str, Tensor]:
        if float(now.alpha) == 0:  # infinitely far back: nothing differs by so little that it has a slope
            return {}
        values = {"data": data, "ratio": scalar(float(now.ratio))}
        return remember("er_sde", **values, **({"slope": slopes[0], "ratio_2": before["ratio"]} if slopes else {}))


sampler = ERSDE
aliases = ["ER-SDE", "ER-SDE-Solver"]
