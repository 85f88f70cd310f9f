"""DPM-Solver++(3M) SDE: the data guess extrapolated from the two steps before, and fresh noise in every step.

k-diffusion's `sample_dpmpp_3m_sde`, its eta as in `dpmpp_2m_sde`. The extrapolation in log SNR is Lu et al. 2022b's
third multistep form, in which the curvature counts half of what Taylor's series gives it: the order stays 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.state import remember
from unnoise.samplers.dpmpp_2m_sde import drawn_share, phi_2

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.denoiser import Denoise
    from unnoise.core.level import Level
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class DPMpp3MSDE:
    """Second order where eta = 0; one evaluation a step.

    Args:
        eta: how much noise is drawn afresh, 0 (none) to 1 (the posterior variance) and beyond.
        s_noise: a factor on the fresh noise.
    """

    eta: float = 1.0
    s_noise: float = 1.0

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            before = state.recall("dpmpp_3m_sde")
            guess = data if to.clean else self._extrapolated(data, now, to, before)
            share = drawn_share(now, to, self.eta)
            x = to.mix(guess, (1 - share).sqrt() * now.noise_in(state.x, guess))
            if self.eta and not to.clean:
                x = x + to.sigma * share.sqrt() * self.s_noise * noise(state.x, state.step)
            memory = remember("dpmpp_3m_sde", data=data, log_snr=now.log_snr)
            if before and float(before["log_snr"]) > float("-inf"):
                memory |= remember("dpmpp_3m_sde", data_2=before["data"], log_snr_2=before["log_snr"])
            state = state.next(x, to, data, memory)
            yield state

    def _extrapolated(self, data: Tensor, now: Level, to: Level, before: dict[str, Tensor]) -> Tensor:
        if not before:
            return data
        h = (to.log_snr - now.log_snr) / 2
        first = (now.log_snr - before["log_snr"]) / (2 * h)
        slope = (data - before["data"]) / first
        weight, span = phi_2(h * (1 + self.eta)), h * (1 + self.eta)
        if "data_2" not in before:
            return data + weight * slope
        second = (before["log_snr"] - before["log_snr_2"]) / (2 * h)
        bend = (slope - (before["data"] - before["data_2"]) / second) / (first + second)
        curved = weight / span + 0.5 / span.neg().expm1()
        return data + weight * (slope + first * bend) - curved * bend


sampler = DPMpp3MSDE
aliases = ["DPM++ 3M SDE", "k_dpmpp_3m_sde", "dpmpp_3m_sde_gpu"]
