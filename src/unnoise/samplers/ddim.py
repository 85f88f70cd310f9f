"""DDIM: Euler's step with a share of its noise drawn afresh (Song et al. 2021a, eq. 12 and 16).

With r = sigma / alpha, the fresh share of the variance is eta² (1 - r_to² / r_now²): eta = 0 is Euler's method, eta = 1
has the posterior variance of Ho et al. 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.denoiser import Denoise
    from unnoise.core.level import Level
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


def fresh_share(now: Level, to: Level, eta: float) -> Tensor:
    """The share of the variance at `to` that is drawn afresh, 0 to 1."""
    kept = now.alpha * to.sigma / (to.alpha * now.sigma)
    return (eta**2 * (1 - kept**2)).clamp(0, 1)


@dataclass(frozen=True)
class DDIM:
    """First order, one evaluation a step, stochastic where eta > 0.

    Args:
        eta: how much of the posterior variance is drawn afresh, 0 (none) to 1 (all).
    """

    eta: float = 0.0

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            found = now.noise_in(state.x, data)
            if self.eta and not to.clean:
                share = fresh_share(now, to, self.eta)
                found = (1 - share).sqrt() * found + share.sqrt() * noise(state.x, state.step)
            state = state.next(to.mix(data, found), to, data)
            yield state


sampler = DDIM
aliases = ["DDIM", "DDIMScheduler"]
