"""Gradient estimation: Euler's step, the noise corrected by its last change (Permenter and Yuan 2024, algorithm 2).

Denoising is read as gradient descent on the distance to the data, whose gradient is estimated from the last two noise
guesses: gamma e_now + (1 - gamma) e_before. gamma = 1 is Euler's method, 3/2 on equal steps Adams-Bashforth's second
order; the paper's 2 is first order, and aims beyond the step on purpose. The step to the clean level is Euler's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.state import remember
from unnoise.samplers._mean import carried

if TYPE_CHECKING:
    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class GradientEstimation:
    """First order, one evaluation a step.

    Args:
        gamma: the weight of the noise guess; one minus it is that of the guess before.
    """

    gamma: float = 2.0

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            found = estimate = now.noise_in(state.x, data)
            before = state.recall("gradient_estimation")
            if before and not to.clean:
                estimate = self.gamma * found + (1 - self.gamma) * before["noise"]
            x = carried(state.x, now, to, estimate, data)
            state = state.next(x, to, data, remember("gradient_estimation", noise=found))
            yield state


sampler = GradientEstimation
aliases = ["Gradient estimation", "k_gradient_estimation"]
