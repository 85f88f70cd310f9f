"""DEIS: the noise extrapolated by a polynomial in log rho, rho = sigma / alpha, and integrated along rho.

Zhang and Chen 2023, whose AB-DEIS this is, with diffusers' `logrho` for its variable. The exponential weight in half
log SNR, which is -log rho, is drho itself. The step to the clean level, where log rho is infinite, is Euler's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.level import half_log_snr
from unnoise.samplers._mean import Point, carried, mean, order_of, recalled, remembered

if TYPE_CHECKING:
    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class DEIS:
    """One evaluation a step. Second order, as the first step is Euler's, with the error of a higher one.

    Args:
        order: how many guesses are used, 1 (Euler's method) to 3.
    """

    order: int = 3

    def __post_init__(self) -> None:
        order_of(self.order, 3, "deis")

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            here = Point(half_log_snr(now), now.noise_in(state.x, data))
            points = [here, *recalled(state, "deis")][: self.order]
            x = carried(state.x, now, to, mean(points, half_log_snr(to), rate=1.0), data)
            state = state.next(x, to, data, remembered("deis", points[: self.order - 1]))
            yield state


sampler = DEIS
aliases = {"DEIS": "deis", "DEISMultistepScheduler": "deis:order=2"}
