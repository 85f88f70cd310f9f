"""Classifier-free guidance with a scale of its own for every step: `per_step:scales=7 7 5 3 1`.

A step of scale 1 does not run the negative branch. Methods that look ahead take the scale of the step they look into.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unnoise.core.branch import PAIR, PROMPT
from unnoise.core.error import Refused
from unnoise.guidances._towards import towards

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.branch import Branch
    from unnoise.core.guidance import Space
    from unnoise.core.level import Level
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class PerStep:
    """Args:
    scales: one a step, from the noisiest.
    """

    scales: tuple[float, ...] = ()

    @property
    def branches(self) -> Mapping[str, Branch]:
        if not self.scales:
            raise Refused("the guidance 'per_step' needs its scales", "give scales=7 5 3, one a step", "guidance")
        return PROMPT if all(scale == 1 for scale in self.scales) else PAIR

    def along(self, trajectory: Trajectory) -> _Along:
        """The same guidance for a run of these levels.

        Raises:
            Refused: there is not one scale for each step.
        """
        if len(self.scales) != trajectory.steps:
            what = f"{len(self.scales)} scales of guidance are listed for {trajectory.steps} steps"
            raise Refused(what, "let the two agree", "guidance")
        return _Along(self, trajectory)


@dataclass(frozen=True)
class _Along:
    """Scales with the levels at which they hold."""

    listed: PerStep
    trajectory: Trajectory
    space: ClassVar[Space] = "data"

    @property
    def branches(self) -> Mapping[str, Branch]:
        return self.listed.branches

    def _scale(self, level: Level) -> float:
        return self.listed.scales[self.trajectory.step(level)]

    def needs(self, level: Level) -> tuple[str, ...]:
        return tuple(PROMPT if self._scale(level) == 1 else PAIR)

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        return towards(guesses, self._scale(level))


guidance = PerStep
