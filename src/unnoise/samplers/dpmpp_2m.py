"""DPM-Solver++(2M): Euler's step with the data guess extrapolated in log SNR from the step before.

Lu et al. 2022b, algorithm 2. The step to the clean level, where log SNR is infinite, is Euler's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.state import remember

if TYPE_CHECKING:
    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class DPMpp2M:
    """Second order, one evaluation a step."""

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = guess = denoise(state.x, now)
            before = state.recall("dpmpp_2m")
            if before and not to.clean:
                ahead = (to.log_snr - now.log_snr) / (now.log_snr - before["log_snr"])
                guess = data + ahead / 2 * (data - before["data"])
            memory = remember("dpmpp_2m", data=data, log_snr=now.log_snr)
            state = state.next(to.mix(guess, now.noise_in(state.x, guess)), to, data, memory)
            yield state


sampler = DPMpp2M
aliases = {"DPM++ 2M": "dpmpp_2m", "DPMSolverMultistepScheduler": "dpmpp_2m", "k_dpmpp_2m": "dpmpp_2m"}
