"""LCM: guess the data, add fresh noise, guess again (Luo et al. 2023, algorithm 3; Song et al. 2023, algorithm 1).

For models distilled to jump to the data from any level. The guess is c_skip x + c_out data, with which such a model was
trained to be the identity at the table's first row (Luo et al. 2023, section 4): with s = row times a constant, c_skip
= sigma_data² / (s² + sigma_data²) and c_out = s / sqrt(s² + sigma_data²), sigma_data = 1/2. Above the first rows, and
on a path without a table, that is the data guess itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory

VARIANCE = 0.25


@dataclass(frozen=True)
class LCM:
    """One evaluation a step, stochastic; for distilled models, in 1 to 8 steps.

    Args:
        scaling: the constant on the row; 0 takes the data guess as it is.
    """

    scaling: float = 10.0

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            if self.scaling and trajectory.schedule.rows:
                row = max(float(now.t) * trajectory.schedule.rows - 1, 0.0) * self.scaling
                far = row**2 + VARIANCE
                data = VARIANCE / far * state.x + row / far**0.5 * data
            x = to.mix(data, noise(state.x, state.step)) if not to.clean else data
            state = state.next(x, to, data)
            yield state


sampler = LCM
aliases = {"LCM": "lcm", "LCMScheduler": "lcm", "FlowMatchLCMScheduler": "lcm:scaling=0", "k_lcm": "lcm:scaling=0"}
