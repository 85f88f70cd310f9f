"""RES multi-step: the data guess extrapolated in half log SNR and integrated exactly (Zhang et al. 2023).

The second-order exponential multi-step method with the phi functions' own weights, where DPM-Solver++(2M) takes the
polynomial's value in the middle of the step. The step to the clean level is Euler's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.level import half_log_snr
from unnoise.samplers._mean import Point, mean, recalled, remembered

if TYPE_CHECKING:
    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class RESMultistep:
    """Second order, one evaluation a step."""

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            here = Point(half_log_snr(now), data)
            guess = mean([here, *recalled(state, "res_multistep")], half_log_snr(to), rate=-1.0)
            x = to.mix(guess, now.noise_in(state.x, guess))
            state = state.next(x, to, data, remembered("res_multistep", [here]))
            yield state


sampler = RESMultistep
aliases = ["RES", "RES multistep", "res_2m"]
