"""DPM-Solver++(2M) with CFG++: the guided guess, noised again by the free branch, which alone is extrapolated.

Chung et al. 2024, as the authors' code runs it: the free branch's difference from the step before, in log SNR, is what
carries the step to second order. The step to the clean level is Euler's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unnoise.core.state import remember
from unnoise.samplers.euler_cfg_pp import both

if TYPE_CHECKING:
    from unnoise.core.denoiser import Denoise
    from unnoise.core.noise import Noise
    from unnoise.core.state import State
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class DPMpp2MCFGpp:
    """Second order where both branches agree; one guided evaluation a step."""

    branches: ClassVar[tuple[str, ...]] = ("negative",)

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        for now, to in state.remaining(trajectory):
            data, free = both(denoise, state.x, now, "dpmpp_2m_cfg_pp")
            x = to.mix(data, now.noise_in(state.x, free))
            before = state.recall("dpmpp_2m_cfg_pp")
            if before and not to.clean:
                ahead = (to.log_snr - now.log_snr) / (now.log_snr - before["log_snr"])
                whole = to.alpha - now.alpha * to.sigma / now.sigma
                x = x + whole * ahead / 2 * (free - before["free"])
            state = state.next(x, to, data, remember("dpmpp_2m_cfg_pp", free=free, log_snr=now.log_snr))
            yield state


sampler = DPMpp2MCFGpp
aliases = ["DPM++ 2M CFG++"]
