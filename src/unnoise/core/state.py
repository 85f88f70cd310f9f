"""What a sampler yields: enough to show, to stop, to save and to go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from unnoise.core.level import quieter

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.level import Level
    from unnoise.core.trajectory import Trajectory


@dataclass(frozen=True)
class State:
    """A sample on its way.

    There is no index: the way ahead is the trajectory's levels beyond the state's own, so that another trajectory,
    sampler or prompt may take over at any step.

    Args:
        x: the noisy sample (B, ...), at least float32.
        level: where it is.
        step: steps taken; never goes back, and keys noise and progress.
        data: the last data guess, of x's shape.
        memory: what a multi-step method keeps, by "owner.name"; another owner finds nothing and starts afresh.
    """

    x: Tensor
    level: Level
    step: int = 0
    data: Tensor | None = None
    memory: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.x.is_floating_point() and self.x.element_size() < 4:
            object.__setattr__(self, "x", self.x.float())

    def next(self, x: Tensor, level: Level, data: Tensor, memory: Mapping[str, Tensor] | None = None) -> State:
        """One step on, with the memory to keep from now on."""
        return State(x, level, self.step + 1, data, memory or {})

    def remaining(self, trajectory: Trajectory) -> Iterator[tuple[Level, Level]]:
        """Pairs (now, next) from the state's own level to the trajectory's end."""
        ahead = [level for level in trajectory.levels if quieter(level, self.level)]
        return pairwise([self.level, *ahead])

    def recall(self, owner: str) -> dict[str, Tensor]:
        """What this owner left in memory, without its prefix."""
        return {k[len(owner) + 1 :]: v for k, v in self.memory.items() if k.startswith(owner + ".")}


@dataclass(frozen=True)
class Paused:
    """A run of one picture, stopped on its way: what it takes to go on, as it was or otherwise.

    Args:
        state: where it is, a batch of one.
        record: how it came there: the `media.record.Record` of a picture not yet finished, its `pixels` empty.
    """

    state: State
    record: Any


def remember(owner: str, **values: Tensor) -> dict[str, Tensor]:
    """Values to keep in a state's memory, marked with their owner."""
    return {f"{owner}.{name}": value for name, value in values.items()}


def begin(trajectory: Trajectory, noise: Tensor) -> State:
    """The state of pure noise (B, ...) at the trajectory's first level."""
    return State(trajectory.start * noise, trajectory.levels[0])
