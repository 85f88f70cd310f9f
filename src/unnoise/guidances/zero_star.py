"""CFG-Zero*: the negative guess scaled to fit, and no motion in the first steps (Fan et al. 2025).

A velocity v = noise - data of the negative prompt is first multiplied with s = <v+, v-> / |v-|², the scale at which it
comes closest to the prompt's. While the model is far from trained for pure noise, no velocity at all is the better one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unnoise.core.branch import PAIR
from unnoise.core.error import Refused

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.branch import Branch
    from unnoise.core.guidance import Space
    from unnoise.core.level import Level
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class ZeroStar:
    """Args:
    scale: as in classifier-free guidance.
    zero: how many steps at first do not move; 0 for none.
    """

    scale: float = 4.0
    zero: int = 1

    def __post_init__(self) -> None:
        if self.zero < 0:
            raise Refused(f"{self.zero} steps cannot stand still", "zero is 0 or more", "guidance")

    @property
    def branches(self) -> Mapping[str, Branch]:
        return PAIR

    def along(self, trajectory: Trajectory) -> _Along:
        """The same guidance for a run of these levels.

        Raises:
            Refused: no step would be left to move.
        """
        if self.zero >= trajectory.steps:
            what = f"{self.zero} of {trajectory.steps} steps stand still"
            raise Refused(what, "take more steps, or zero=0", "guidance")
        return _Along(self, trajectory)


@dataclass(frozen=True)
class _Along:
    """The guidance with the levels at which it stands still."""

    options: ZeroStar
    trajectory: Trajectory
    space: ClassVar[Space] = "flow"

    @property
    def branches(self) -> Mapping[str, Branch]:
        return PAIR

    def _still(self, level: Level) -> bool:
        return self.trajectory.step(level) < self.options.zero

    def needs(self, level: Level) -> tuple[str, ...]:
        return ("positive",) if self._still(level) else tuple(PAIR)

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        positive = guesses["positive"]
        if self._still(level):
            return positive * 0
        negative, axes = guesses["negative"], tuple(range(1, positive.ndim))
        size = negative.square().sum(axes, keepdim=True)
        fitted = (positive * negative).sum(axes, keepdim=True) / size.where(size > 0, 1.0) * negative
        return fitted.lerp(positive, self.options.scale)


guidance = ZeroStar
aliases = ["cfg_zero_star", "CFG-Zero*"]
