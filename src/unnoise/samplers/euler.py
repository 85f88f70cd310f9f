"""Euler's method: DDIM on a variance-preserving path, the flow step on a straight one.

Song et al. 2021a, eq. 12 with eta = 0; Karras et al. 2022, algorithm 1 without its correction; Liu et al. 2023.
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


@dataclass(frozen=True)
class Euler:
    """First order, one evaluation a step."""

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            state = state.next(to.mix(data, now.noise_in(state.x, data)), to, data)
            yield state


sampler = Euler
aliases = ["Euler", "EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler", "k_euler"]
