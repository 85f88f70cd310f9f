"""TCD: jump below the next level and come back up to it with fresh noise (Zheng et al. 2024).

Strategic stochastic sampling, for models distilled to be consistent along their trajectories. With the paper's gamma,
here eta, a step to time t goes on to (1 - eta) t and returns by the forward process: eta = 0 is Euler's method, eta = 1
guesses the data and noises it, as LCM does. On a table it goes to the whole row at or below that, the first at least,
as the model was trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.trajectory import level_at

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.denoiser import Denoise
    from unnoise.core.level import Level
    from unnoise.core.noise import Noise
    from unnoise.core.schedule import Schedule
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


def climbed(x: Tensor, now: Level, to: Level, drawn: Tensor) -> Tensor:
    """x at a noisier level, by the forward process with this noise."""
    part = to.alpha / now.alpha
    return part * x + (to.sigma**2 - (part * now.sigma) ** 2).clamp(min=0).sqrt() * drawn


@dataclass(frozen=True)
class TCD:
    """One evaluation a step, stochastic where eta > 0; for distilled models, in 1 to 8 steps.

    Args:
        eta: how far below the next level a step goes, 0 (not at all) to 1 (to the data).
    """

    eta: float = 0.3

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            found = now.noise_in(state.x, data)
            if self.eta and not to.clean:
                below = self._below(trajectory.schedule, to)
                x = climbed(below.mix(data, found), below, to, noise(state.x, state.step))
            else:
                x = to.mix(data, found)
            state = state.next(x, to, data)
            yield state

    def _below(self, schedule: Schedule, to: Level) -> Level:
        row = float(to.t) * schedule.rows - 1
        if row < 0:  # no table, or below its rows
            return level_at(schedule, (1 - self.eta) * float(to.t))
        # 1e-6: in binary, 0.7 times 70 may fall short of 49.
        return level_at(schedule, (math.floor((1 - self.eta) * row + 1e-6) + 1) / schedule.rows)


sampler = TCD
aliases = ["TCD", "TCDScheduler"]
