"""LMS: a linear multi-step method for x / alpha along sigma / alpha, the noise extrapolated from the steps before.

k-diffusion's `sample_lms`: Adams-Bashforth with steps of any length. The polynomial through the last guesses is
integrated exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.samplers._mean import Point, carried, mean, order_of, recalled, remembered

if TYPE_CHECKING:
    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class LMS:
    """One evaluation a step. Second order, as the first step is Euler's, with the error of a higher one.

    Args:
        order: how many guesses are used, 1 (Euler's method) to 4.
    """

    order: int = 4

    def __post_init__(self) -> None:
        order_of(self.order, 4, "lms")

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            here = Point(float(now.ratio), now.noise_in(state.x, data))
            points = [here, *recalled(state, "lms")][: self.order]
            x = carried(state.x, now, to, mean(points, float(to.ratio)), data)
            state = state.next(x, to, data, remembered("lms", points[: self.order - 1]))
            yield state


sampler = LMS
aliases = ["LMS", "LMSDiscreteScheduler", "k_lms"]
