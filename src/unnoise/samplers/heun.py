"""Heun's method: an Euler step, corrected by the slope at its end (Karras et al. 2022, algorithm 1).

The trapezoid rule depends on the coordinates it is taken in. `path` integrates dx = data d(alpha) + noise d(sigma),
which is Heun's method for a flow and for EDM; `ratio` integrates x / alpha along sigma / alpha, as k-diffusion and
diffusers do on every path. On a variance-exploding path the two are one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.denoiser import Denoise
    from unnoise.core.level import Level
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class Heun:
    """Second order, two evaluations a step (one in the last).

    Args:
        form: the coordinates of the trapezoid rule, `path` or `ratio`.
    """

    form: Literal["path", "ratio"] = "path"

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            found = now.noise_in(state.x, data)
            x = to.mix(data, found)
            if not to.clean:
                end = denoise(x, to)
                x = self._corrected(state.x, now, to, (data, found), (end, to.noise_in(x, end)))
            state = state.next(x, to, data)
            yield state

    def _corrected(
        self, x: Tensor, now: Level, to: Level, first: tuple[Tensor, Tensor], last: tuple[Tensor, Tensor]
    ) -> Tensor:
        noise = (first[1] + last[1]) / 2
        if self.form == "path":
            return x + (to.alpha - now.alpha) * (first[0] + last[0]) / 2 + (to.sigma - now.sigma) * noise
        if float(now.alpha) == 0:  # sigma / alpha starts at infinity, where only the Euler step has a limit
            return to.mix(first[0], first[1])
        return to.alpha * (x / now.alpha + (to.ratio - now.ratio) * noise)


sampler = Heun
aliases = {"Heun": "heun", "HeunDiscreteScheduler": "heun:form=ratio", "k_heun": "heun:form=ratio"}
