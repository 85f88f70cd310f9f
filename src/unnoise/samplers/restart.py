"""Restart: Heun's method, which at a low level goes back up with fresh noise and comes down again (Xu et al. 2023).

The noise that is added forgets errors made above, which the ODE alone would carry to the end; the way down is the
ODE's. A round begins at the run's last level not below `low`, rises to `high` by the forward process, though never
above where the run began, and comes down along the run's own levels, so that any spacing serves. All rounds belong to
the step that first reaches `low`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.error import Refused
from unnoise.core.level import quieter, scalar
from unnoise.core.state import State, remember
from unnoise.core.trajectory import Trajectory, level_of
from unnoise.samplers.heun import Heun
from unnoise.samplers.tcd import climbed

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.denoiser import Denoise
    from unnoise.core.level import Level
    from unnoise.core.noise import Noise

MOST = 100
"""Rounds; the paper's longest runs have some twenty."""


@dataclass(frozen=True)
class Restart:
    """Second order, two evaluations a step (one in the last) and as many again for every level within a round.

    Args:
        low, high: the range of sigma / alpha of a round.
        times: how many rounds.
        s_noise: a factor on the noise added.
    """

    low: float = 0.1
    high: float = 2.0
    times: int = 1
    s_noise: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high or not 0 <= self.times <= MOST:
            raise Refused(
                f"restart cannot go {self.times} times from {self.low:g} up to {self.high:g}",
                f"low lies above 0 and below high, and times is from 0 to {MOST}",
                "sampler",
            )

    def __call__(self, denoise: Denoise, state: State, trajectory: Trajectory, noise: Noise) -> Iterator[State]:
        kept = state.recall("restart")
        begun = float(kept["begun"] if kept else state.level.ratio)
        top = level_of(trajectory.schedule, min(self.high, begun))
        turn = next((v for v in reversed(trajectory.levels) if float(v.ratio) >= self.low and quieter(v, top)), None)
        within = [v for v in trajectory.levels if turn and quieter(v, top) and not quieter(v, turn)]
        for now, to in state.remaining(trajectory):
            x, data = self._down(denoise, state.x, [now, to], trajectory, noise)
            for k in range(self.times if to is turn else 0):
                drawn = self.s_noise * noise(x, state.step, f"restart {k}")
                x, data = self._down(denoise, climbed(x, to, top, drawn), [top, *within], trajectory, noise)
            state = state.next(x, to, data, remember("restart", begun=scalar(begun)))
            yield state

    def _down(
        self, denoise: Denoise, x: Tensor, levels: list[Level], trajectory: Trajectory, noise: Noise
    ) -> tuple[Tensor, Tensor]:
        """Heun's steps through these levels: x at the last of them, and the guess on the way there."""
        way = Trajectory(tuple(levels), trajectory.schedule, trajectory.start)
        *_, last = Heun()(denoise, State(x, levels[0]), way, noise)
        return last.x, last.x if last.data is None else last.data


sampler = Restart
aliases = ["Restart"]
