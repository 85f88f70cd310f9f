"""DPM-Solver++(2M) SDE: the data guess extrapolated in log SNR from the step before, and fresh noise in every step.

Lu et al. 2022b, algorithm 2, for the stochastic equation with k-diffusion's eta (`sample_dpmpp_2m_sde`): with h the
step in log(alpha / sigma), the noise kept is exp(-eta h), so that eta = 0 is DPM-Solver++(2M) and eta = 1 has the
posterior variance. The step to the clean level is Euler's, and so is one after alpha = 0, infinitely far back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unnoise.core.state import remember

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.denoiser import Denoise
    from unnoise.core.level import Level
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


def drawn_share(now: Level, to: Level, eta: float) -> Tensor:
    """The share of the variance at `to` that is drawn afresh, 1 - exp(-2 eta h)."""
    kept = now.alpha * to.sigma / (to.alpha * now.sigma)
    return 1 - kept ** (2 * eta)


def phi_2(step: Tensor) -> Tensor:
    """The weight of a slope against that of a value, over an exponentially weighted step: 1/2 as it gets short."""
    return 1 / step.neg().expm1().neg() - 1 / step


@dataclass(frozen=True)
class DPMpp2MSDE:
    """Second order where eta = 0; one evaluation a step.

    Args:
        eta: how much noise is drawn afresh, 0 (none) to 1 (the posterior variance) and beyond.
        s_noise: a factor on the fresh noise.
        solver_type: how the slope is weighted over the step, halfway (`midpoint`) or exponentially (`heun`).
    """

    eta: float = 1.0
    s_noise: float = 1.0
    solver_type: Literal["midpoint", "heun"] = "midpoint"

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = guess = denoise(state.x, now)
            before = state.recall("dpmpp_2m_sde")
            if before and not to.clean:
                h = (to.log_snr - now.log_snr) / 2
                slope = 2 * h / (now.log_snr - before["log_snr"]) * (data - before["data"])
                guess = data + (0.5 if self.solver_type == "midpoint" else phi_2(h * (1 + self.eta))) * slope
            share = drawn_share(now, to, self.eta)
            x = to.mix(guess, (1 - share).sqrt() * now.noise_in(state.x, guess))
            if self.eta and not to.clean:
                x = x + to.sigma * share.sqrt() * self.s_noise * noise(state.x, state.step)
            state = state.next(x, to, data, remember("dpmpp_2m_sde", data=data, log_snr=now.log_snr))
            yield state


sampler = DPMpp2MSDE
aliases = {
    "DPM++ 2M SDE": "dpmpp_2m_sde",
    "DPM++ 2M SDE Heun": "dpmpp_2m_sde:solver_type=heun",
    "k_dpmpp_2m_sde": "dpmpp_2m_sde",
    "dpmpp_2m_sde_gpu": "dpmpp_2m_sde",
    "dpmpp_2m_sde_heun": "dpmpp_2m_sde:solver_type=heun",
}
