"""Guidance: several guesses at one x, combined into one.

`Guided` is a `Denoise` around named branches. Branches of one denoiser run as one batch, others singly; a combination
names the branches it needs at each level, so a guidance interval costs nothing outside itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from unnoise.core.branch import Branch
from unnoise.core.denoiser import Bound, Denoiser
from unnoise.core.level import Level
from unnoise.core.prediction import Flow
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory

Space = Literal["data", "output", "flow"]


class Combine(Protocol):
    """Guesses by branch name -> one guess, in the space it says (rescaling is not linear, so the space matters):
    the data, the first branch's own output, or noise - data, the velocity of a straight path.

    `branches` says how each branch that it may ever need is made.
    """

    @property
    def space(self) -> Space: ...
    @property
    def branches(self) -> Mapping[str, Branch]: ...
    def needs(self, level: Level, /) -> tuple[str, ...]: ...
    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level, /) -> Tensor: ...


@runtime_checkable
class Stepped(Protocol):
    """A combination that counts steps, and so is told the levels before a run."""

    def along(self, trajectory: Trajectory, /) -> Combine: ...


@runtime_checkable
class Remembering(Protocol):
    """A combination that keeps tensors (B, ...) from one evaluation to the next, by "owner.name" as a state does.

    One is made for each run. `memory` is what it holds now; `with_memory` is a new one that goes on from what its owner
    left there.
    """

    def memory(self) -> Mapping[str, Tensor]: ...
    def with_memory(self, memory: Mapping[str, Tensor], /) -> Combine: ...


@dataclass(frozen=True)
class Guided:
    """Branches such as {"positive": ..., "negative": ...} under one combination.

    A combination marked `gradient` differentiates what it is given with respect to x: its branches run with gradient.
    """

    branches: Mapping[str, Bound[Any]]
    combine: Combine

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        return self.detailed(x, level, ())[0]

    def detailed(self, x: Tensor, level: Level, names: tuple[str, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """The combined guess, and the data guesses of these branches, all of one evaluation."""
        needed = self.combine.needs(level)
        with torch.set_grad_enabled(self.gradient or torch.is_grad_enabled()):
            x = x.detach().requires_grad_() if self.gradient else x
            outputs = self.outputs(x, level, tuple(dict.fromkeys((*needed, *names))))
            combined = self._combined({name: outputs[name] for name in needed}, x, level)
            found = self.as_data({name: outputs[name] for name in names}, x, level)
        return combined, {name: guess.detach() if self.gradient else guess for name, guess in found.items()}

    @property
    def gradient(self) -> bool:
        """Whether the combination differentiates its guesses."""
        return bool(getattr(self.combine, "gradient", False))

    def resumed(self, state: State) -> "Guided":
        """The same guidance, with the memory that a state holds."""
        combine = self._remembering
        return self if combine is None else replace(self, combine=combine.with_memory(state.memory))

    def kept(self, state: State) -> State:
        """The same state, with the guidance's memory beside the sampler's."""
        own = {} if self._remembering is None else self._remembering.memory()
        return replace(state, memory={**state.memory, **own}) if own else state

    def _combined(self, outputs: dict[str, Tensor], x: Tensor, level: Level) -> Tensor:
        if self.combine.space == "data":
            return self.combine(self.as_data(outputs, x, level), x, level)
        kinds = {name: self.branches[name].denoiser.prediction for name in outputs}
        kind = Flow() if self.combine.space == "flow" else next(iter(kinds.values()))
        shared = kind(level)
        for name in (n for n in outputs if kinds[n] != kind):  # another network may predict something else
            outputs[name] = shared.target(x, kinds[name](level).data(x, outputs[name]))
        return shared.data(x, self.combine(outputs, x, level))

    def guesses(self, x: Tensor, level: Level) -> dict[str, Tensor]:
        """Each branch's own data guess."""
        return self.as_data(self.outputs(x, level, tuple(self.branches)), x, level)

    def as_data(self, outputs: Mapping[str, Tensor], x: Tensor, level: Level) -> dict[str, Tensor]:
        """Outputs by branch as data guesses by branch."""
        return {n: self.branches[n].denoiser.prediction(level).data(x, o) for n, o in outputs.items()}

    def outputs(self, x: Tensor, level: Level, names: tuple[str, ...]) -> dict[str, Tensor]:
        """The raw outputs of these branches at x (B, ...), one network call for each denoiser among them."""
        groups: dict[Denoiser[Any], list[str]] = {}
        for name in names:
            groups.setdefault(self.branches[name].denoiser, []).append(name)
        found: dict[str, Tensor] = {}
        for group in groups.values():
            found |= zip(group, self._together(tuple(group), x, level), strict=True)
        return found

    def _together(self, names: tuple[str, ...], x: Tensor, level: Level) -> list[Tensor]:
        return list(self._joined(names).output(x, level, len(names)).chunk(len(names)))

    def _joined(self, names: tuple[str, ...]) -> Bound[Any]:
        """Branches of one denoiser as one, their conditions in one batch: the same at every step of a run."""
        if names not in self._known:
            first, *others = (self.branches[name] for name in names)
            both = replace(first, gradient=first.gradient or self.gradient)
            for other in others:
                both = replace(both, condition=both.condition.cat(other.condition))
            self._known[names] = both
        return self._known[names]

    @cached_property
    def _known(self) -> dict[tuple[str, ...], Bound[Any]]:
        return {}

    @cached_property
    def _remembering(self) -> Remembering | None:
        return self.combine if isinstance(self.combine, Remembering) else None
