"""DPM-Solver++(SDE): a stochastic step by data guesses at its start and at a level within it.

Lu et al. 2022b, algorithm 1, made stochastic by k-diffusion's `sample_dpmpp_sde`, where the way to the middle draws
noise too. Here both draws of a step are parts of one Brownian path: with h the step in log(alpha / sigma), the noise
which the stochastic equation has added up to the middle and up to the end correlates by
rho² = (exp(2 r h) - 1) / (exp(2 h) - 1). The variance then errs at second order in the step; with independent draws it
errs at first order, as Euler's does. Where there is no middle, from alpha = 0 or to the clean level, the step is
Euler's with its share of fresh noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.samplers.ddim import fresh_share

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.denoiser import Denoise
    from unnoise.core.level import Level
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


def correlation(now: Level, middle: Level, to: Level) -> Tensor:
    """rho: how alike the fresh noise of one path is at two of its levels, 0 to 1."""
    ahead, whole = middle.log_snr - now.log_snr, to.log_snr - now.log_snr
    return (ahead.expm1() / whole.expm1()).sqrt()


@dataclass(frozen=True)
class DPMppSDE:
    """Second order, two evaluations a step (one in the last), stochastic.

    Args:
        eta: the share of the posterior variance that is drawn afresh, 0 to 1.
        s_noise: a factor on the fresh noise.
        r: how far into the step the middle lies, in log SNR.
    """

    eta: float = 1.0
    s_noise: float = 1.0
    r: float = 0.5

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            if to.clean or float(now.alpha) == 0:
                drawn = noise(state.x, state.step) if self.eta and not to.clean else None
                x = self._moved(state.x, data, (now, to), drawn)
            else:
                middle = trajectory.at(float(now.log_snr + self.r * (to.log_snr - now.log_snr)))
                first = noise(state.x, state.step, "middle") if self.eta else None
                between = denoise(self._moved(state.x, data, (now, middle), first), middle)
                guess = data + (between - data) / (2 * self.r)
                if first is not None:
                    rho = correlation(now, middle, to)
                    first = rho * first + (1 - rho**2).sqrt() * noise(state.x, state.step)
                x = self._moved(state.x, guess, (now, to), first)
            state = state.next(x, to, data)
            yield state

    def _moved(self, x: Tensor, data: Tensor, pair: tuple[Level, Level], drawn: Tensor | None) -> Tensor:
        now, to = pair
        share = fresh_share(now, to, self.eta)
        found = (1 - share).sqrt() * now.noise_in(x, data)
        return to.mix(data, found if drawn is None else found + share.sqrt() * self.s_noise * drawn)


sampler = DPMppSDE
aliases = ["DPM++ SDE", "k_dpmpp_sde", "dpmpp_sde_gpu", "DPMSolverSDEScheduler"]
