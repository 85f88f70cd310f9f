"""DDPM: draw from the posterior q(x_to | x_now, data), the data guessed (Ho et al. 2020, algorithm 2).

On any path, with beta = sigma_now² - (alpha_now / alpha_to)² sigma_to² the variance added between the two levels, the
posterior variance is beta sigma_to² / sigma_now² (`small`); its upper bound is beta (`large`, Ho et al. section 3.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class DDPM:
    """Ancestral sampling, one evaluation a step; made for many steps.

    Args:
        variance: of the noise put back, `small` or `large`.
    """

    variance: Literal["small", "large"] = "small"

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            beta = (now.sigma**2 - (now.alpha / to.alpha * to.sigma) ** 2).clamp(min=0)
            posterior = beta * (to.sigma / now.sigma) ** 2
            found = now.noise_in(state.x, data)
            x = to.alpha * data + (to.sigma**2 - posterior).clamp(min=0).sqrt() * found
            if not to.clean:
                x = x + (posterior if self.variance == "small" else beta).sqrt() * noise(state.x, state.step)
            state = state.next(x, to, data)
            yield state


sampler = DDPM
aliases = ["DDPM", "DDPMScheduler"]
