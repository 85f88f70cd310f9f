"""Euler ancestral: an Euler step to less noise than asked for, and fresh noise for the rest.

k-diffusion's `sample_euler_ancestral`. Its step down and up in sigma / alpha is DDIM's split of the variance, so that
eta = 1 is DDPM with the posterior variance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.samplers.ddim import fresh_share

if TYPE_CHECKING:
    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class EulerAncestral:
    """First order, one evaluation a step, stochastic.

    Args:
        eta: the share of the posterior variance that is drawn afresh, 0 to 1.
        s_noise: a factor on the fresh noise.
    """

    eta: float = 1.0
    s_noise: float = 1.0

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            share = fresh_share(now, to, self.eta)
            x = to.mix(data, (1 - share).sqrt() * now.noise_in(state.x, data))
            if not to.clean:
                x = x + to.sigma * share.sqrt() * self.s_noise * noise(state.x, state.step)
            state = state.next(x, to, data)
            yield state


sampler = EulerAncestral
aliases = ["Euler a", "Euler ancestral", "EulerAncestralDiscreteScheduler", "k_euler_ancestral"]
