"""DPM2 ancestral: the midpoint rule to less noise than asked for, and fresh noise for the rest.

k-diffusion's `sample_dpm_2_ancestral`: DPM-Solver-2 (Lu et al. 2022a, algorithm 1) in sigma / alpha, the middle halfway
in its logarithm, with the split of the variance of `euler_ancestral`. The step to the clean level is Euler's, and so is
one that leaps from much noise or from alpha = 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.samplers._mean import leaps
from unnoise.samplers.ddim import fresh_share

if TYPE_CHECKING:
    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class DPM2Ancestral:
    """Second order, two evaluations a step (one in the last), stochastic.

    Args:
        eta: the share of the posterior variance that is drawn afresh, 0 to 1.
        s_noise: a factor on the fresh noise.
    """

    eta: float = 1.0
    s_noise: float = 1.0

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            found = now.noise_in(state.x, data)
            share = fresh_share(now, to, self.eta)
            down = to.ratio * (1 - share).sqrt()
            x = to.mix(data, (1 - share).sqrt() * found)
            if float(down) > 0 and not leaps(now, to):
                middle = trajectory.at(float(now.log_snr - 2 * down.log()) / 2)
                between = middle.mix(data, found)
                slope = middle.noise_in(between, denoise(between, middle))
                x = to.alpha * (state.x / now.alpha + (down - now.ratio) * slope)
            if self.eta and not to.clean:
                x = x + to.sigma * share.sqrt() * self.s_noise * noise(state.x, state.step)
            state = state.next(x, to, data)
            yield state


sampler = DPM2Ancestral
aliases = ["DPM2 a", "DPM2 ancestral", "KDPM2AncestralDiscreteScheduler", "k_dpm_2_ancestral", "dpm_2_ancestral"]
