"""PNDM: pseudo numerical methods, classical weights on the noise with DDIM's step to carry x (Liu et al. 2022).

The transfer from level to level is eq. 9, Euler's step with whatever noise it is given. Three steps of
pseudo Runge-Kutta (eq. 13) start the pseudo linear multi-step method (eq. 12). Without `prk` one step of Heun's kind
and shorter Adams-Bashforth weights start it, as Stable Diffusion's PLMS does. Of second order either way: the transfer
is not linear along the path (as Liu et al. find).

A step of the start that cannot look ahead, to the clean level, from alpha = 0 or from much noise by a leap, is taken
with the noise at hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.level import half_log_snr
from unnoise.core.trajectory import level_at
from unnoise.samplers._mean import Point, ahead, carried, leaps, recalled, remembered

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.denoiser import Denoise
    from unnoise.core.level import Level
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class PNDM:
    """Second order, one evaluation a step after the start (four in each of three steps, or two in one).

    Args:
        prk: start by Runge-Kutta steps rather than by PLMS's.
    """

    prk: bool = True

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data = denoise(state.x, now)
            here = Point(half_log_snr(now), now.noise_in(state.x, data))
            points = [here, *recalled(state, "pndm")][:4]
            if len(points) > (3 if self.prk else 1) or to.clean or leaps(now, to):
                found = ahead([p.guess for p in points])
            elif self.prk:
                middle = level_at(trajectory.schedule, float(now.t + to.t) / 2)
                found = _runge_kutta(denoise, state.x, data, (now, middle, to))
            else:
                found = (here.guess + _noise_at(denoise, to, to.mix(data, here.guess))) / 2
            x = carried(state.x, now, to, found, data)
            state = state.next(x, to, data, remembered("pndm", points[:3]))
            yield state


def _noise_at(denoise: Denoise, level: Level, x: Tensor) -> Tensor:
    return level.noise_in(x, denoise(x, level))


def _runge_kutta(denoise: Denoise, x: Tensor, data: Tensor, levels: tuple[Level, Level, Level]) -> Tensor:
    """The classical mean of four noise guesses, at the step's beginning, twice in its middle and at its end."""
    now, middle, to = levels
    first = now.noise_in(x, data)
    second = _noise_at(denoise, middle, carried(x, now, middle, first, data))
    third = _noise_at(denoise, middle, carried(x, now, middle, second, data))
    fourth = _noise_at(denoise, to, carried(x, now, to, third, data))
    return (first + 2 * second + 2 * third + fourth) / 6


sampler = PNDM
aliases = {"PNDM": "pndm", "PNDMScheduler": "pndm", "F-PNDM": "pndm", "PLMS": "pndm:prk=false"}
