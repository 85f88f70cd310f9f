"""DPM-Solver++(2S) ancestral: a step by the data guess halfway in log SNR, to less noise, and fresh noise for the rest.

Lu et al. 2022b, algorithm 1 with r = 1/2, as k-diffusion's `sample_dpmpp_2s_ancestral` runs it with the split of the
variance of `euler_ancestral`. Where there is no halfway, from alpha = 0 or to the clean level, the step is Euler's.
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
class DPMpp2SAncestral:
    """Second order, two evaluations a step (one in the last), stochastic.

    Args:
        eta: the share of the posterior variance that is drawn afresh, 0 to 1.
        s_noise: a factor on the fresh noise.
    """

    eta: float = 1.0
    s_noise: float = 1.0

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = guess = denoise(state.x, now)
            share = fresh_share(now, to, self.eta)
            down = to.ratio * (1 - share).sqrt()
            if float(down) > 0 and float(now.alpha) > 0:
                middle = trajectory.at(float(now.log_snr - 2 * down.log()) / 2)
                guess = denoise(middle.mix(data, now.noise_in(state.x, data)), middle)
            x = to.mix(guess, (1 - share).sqrt() * now.noise_in(state.x, guess))
            if self.eta and not to.clean:
                x = x + to.sigma * share.sqrt() * self.s_noise * noise(state.x, state.step)
            state = state.next(x, to, data)
            yield state


sampler = DPMpp2SAncestral
aliases = ["DPM++ 2S a", "DPM++ 2S ancestral", "k_dpmpp_2s_ancestral", "k_dpmpp_2s_a"]
