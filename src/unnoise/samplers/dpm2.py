"""DPM2: the noise in the middle of the step, in log sigma, taken for all of it.

k-diffusion's `sample_dpm_2`, after DPM-Solver-2 (Lu et al. 2022a, algorithm 1) and algorithm 2 of Karras et al. 2022:
a midpoint rule for x / alpha along sigma / alpha. The step to the clean level has no middle in log sigma and
is Euler's; so is one from alpha = 0, or from much noise by a leap, whose middle speaks for little of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.samplers._mean import carried, leaps

if TYPE_CHECKING:
    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class DPM2:
    """Second order, two evaluations a step (one in the last)."""

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            found = now.noise_in(state.x, data)
            if not to.clean and not leaps(now, to):
                middle = trajectory.at(float(now.log_snr + to.log_snr) / 2)
                x = middle.mix(data, found)
                found = middle.noise_in(x, denoise(x, middle))
            state = state.next(carried(state.x, now, to, found, data), to, data)
            yield state


sampler = DPM2
aliases = ["DPM2", "KDPM2DiscreteScheduler", "k_dpm_2"]
