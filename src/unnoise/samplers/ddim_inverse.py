"""DDIM inversion: from a picture up to the noise from which Euler's method, which is DDIM, would make it.

Euler's step down from (x', to) reaches (x, now) where x' = alpha_to data + sigma_to noise, with the guess made at x',
which is what is asked for. Song et al. 2021a (section 4.3) and Mokady et al. 2023 take the guess at x itself, told that
it is at `to`; `iterations` then make it again at each x' so found, until the step is the exact inverse (Pan et al.
2023). x is first brought to the size it has at `to`, so that every path gives what a variance-preserving one does.

A guess of the data can be put into the equation by the noise it leaves at `to` or at `now`. The first forgets what is
wrong with the guess where there is little noise, the second where there is much; the guess at x itself is put in by
the first, as published, but where alpha = 0 follows much noise, and no guess depends on x'. (A step to alpha = 0 from
little noise has an inverse as well, but no noise: what sets x off from the data's mean, times 1 / sigma. There x is
passed on.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from unnoise.core.error import Refused
from unnoise.core.level import quieter
from unnoise.samplers._mean import carried, size

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.denoiser import Denoise
    from unnoise.core.level import Level
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class DDIMInverse:
    """First order, 1 + iterations evaluations a step; walks up, from a state of little noise or none.

    Args:
        iterations: how often each step is refined; 0 is the published inversion.
    """

    upward: ClassVar[bool] = True

    iterations: int = 0

    def __post_init__(self) -> None:
        if self.iterations < 0:
            raise Refused(f"ddim_inverse cannot refine {self.iterations} times", "iterations is 0 or more", "sampler")

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        above = [level for level in reversed(trajectory.levels) if quieter(state.level, level)]
        for now, to in pairwise([state.level, *above]):
            x = state.x * (size(to) / size(now))
            data = denoise(x, to)
            x = _raised(state.x, now, to, data, to.noise_in(x, data), refined=False)
            for _ in range(self.iterations):
                data = denoise(x, to)
                x = _raised(state.x, now, to, data, to.noise_in(x, data), refined=True)
            state = state.next(x, to, data)
            yield state


def _raised(x: Tensor, now: Level, to: Level, data: Tensor, noise: Tensor, refined: bool) -> Tensor:
    """The x' that Euler's step takes to x, if this is its data guess and the noise that guess leaves in it."""
    if float(now.sigma) >= float(now.alpha) and (refined or float(to.alpha) == 0):
        return to.mix(data, now.noise_in(x, data))
    return carried(x, now, to, noise, data)


sampler = DDIMInverse
aliases = ["DDIM inverse", "DDIM inversion", "DDIMInverseScheduler"]
