"""Euler with CFG++: the guided guess, noised again in the direction of the free branch (Chung et al. 2024).

Algorithm 2. The noise of the guided guess points off the path that data lie on; that of the free branch does not. A
guidance scale of 0 to 1 does here what 1 to 15 does elsewhere. With eta > 0 a share of it is drawn afresh, as in DDIM.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from unnoise.core.error import Refused
from unnoise.samplers.ddim import fresh_share

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.denoiser import Denoise
    from unnoise.core.level import Level
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@runtime_checkable
class Detailed(Protocol):
    """A guided denoiser that shows its branches."""

    def detailed(self, x: Tensor, level: Level, names: tuple[str, ...], /) -> tuple[Tensor, dict[str, Tensor]]: ...


def both(denoise: Denoise, x: Tensor, level: Level, name: str) -> tuple[Tensor, Tensor]:
    """The guided guess and the free branch's own, of one evaluation.

    Raises:
        Refused: there is no guidance.
    """
    if not isinstance(denoise, Detailed):
        raise Refused(
            f"the sampler '{name}' follows the free branch of guidance, and this run has none",
            "set a guidance scale other than 1 on a model that can run without a prompt, or take another sampler",
            "sampler",
        )
    guided, branches = denoise.detailed(x, level, ("negative",))
    return guided, branches["negative"]


@dataclass(frozen=True)
class EulerCFGpp:
    """First order, one guided evaluation a step.

    Args:
        eta: the share of the posterior variance that is drawn afresh, 0 (none) to 1 (all).
        s_noise: a factor on the fresh noise.
    """

    branches: ClassVar[tuple[str, ...]] = ("negative",)

    eta: float = 0.0
    s_noise: float = 1.0

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data, free = both(denoise, state.x, now, "euler_cfg_pp")
            found = now.noise_in(state.x, free)
            if self.eta and not to.clean:
                share = fresh_share(now, to, self.eta)
                found = (1 - share).sqrt() * found + share.sqrt() * self.s_noise * noise(state.x, state.step)
            state = state.next(to.mix(data, found), to, data)
            yield state


sampler = EulerCFGpp
aliases = {
    "Euler CFG++": "euler_cfg_pp",
    "DDIM CFG++": "euler_cfg_pp",
    "Euler a CFG++": "euler_cfg_pp:eta=1",
    "euler_ancestral_cfg_pp": "euler_cfg_pp:eta=1",
}
