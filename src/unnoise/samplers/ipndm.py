"""iPNDM: Adams-Bashforth on the noise, from one guess to four as they come (Zhang and Chen 2023).

The weights are those of equal steps whatever the spacing, as in PNDM (Liu et al. 2022), without its costly start. On
a smooth spacing that is second order: over a step, the noise and the length of sigma / alpha's own steps are averaged
apart, and what they have in common is of third order in the step. `variable` takes the weights for the steps in
sigma / alpha as they are, and is `lms` but for its last step. (ComfyUI's `ipndm_v` is this up to order 2; above, a
product stands inside a difference that it should multiply, and its weights fit equal steps alone.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.samplers._mean import Point, ahead, carried, mean, order_of, recalled, remembered

if TYPE_CHECKING:
    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class IPNDM:
    """Second order, one evaluation a step.

    Args:
        order: how many guesses are used, 1 (Euler's method) to 4.
        variable: weights that heed the lengths of the steps.
    """

    order: int = 4
    variable: bool = False

    def __post_init__(self) -> None:
        order_of(self.order, 4, "ipndm")

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            here = Point(float(now.ratio), now.noise_in(state.x, data))
            points = [here, *recalled(state, "ipndm")][: self.order]
            found = here.guess
            if not to.clean:
                found = mean(points, float(to.ratio)) if self.variable else ahead([p.guess for p in points])
            x = carried(state.x, now, to, found, data)
            state = state.next(x, to, data, remembered("ipndm", points[: self.order - 1]))
            yield state


sampler = IPNDM
aliases = {"iPNDM": "ipndm", "IPNDMScheduler": "ipndm", "iPNDM_v": "ipndm:variable=true"}
