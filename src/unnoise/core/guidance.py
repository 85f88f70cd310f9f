"""Guidance: several guesses at one x, combined into one.

`Guided` is a `Denoise` around named branches. Branches of one denoiser run as one batch, others singly; a combination
names the branches it needs at each level, so a guidance interval costs nothing outside itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from unnoise.core.denoiser import Bound, Denoiser
from unnoise.core.level import Level

Space = Literal["data", "output"]


class Combine(Protocol):
    """Guesses by branch name -> one guess, in the space it says (rescaling is not linear, so the space matters)."""

    @property
    def space(self) -> Space: ...
    def needs(self, level: Level, /) -> tuple[str, ...]: ...
    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level, /) -> Tensor: ...


@dataclass(frozen=True)
class Guided:
    """Branches such as {"positive": ..., "negative": ...} under one combination."""

    branches: Mapping[str, Bound[Any]]
    combine: Combine

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        return self._combined(self.outputs(x, level, self.combine.needs(level)), x, level)

    def detailed(self, x: Tensor, level: Level, names: tuple[str, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """The combined guess, and the data guesses of these branches, all of one evaluation."""
        needed = self.combine.needs(level)
        outputs = self.outputs(x, level, tuple(dict.fromkeys((*needed, *names))))
        combined = self._combined({name: outputs[name] for name in needed}, x, level)
        return combined, self.as_data({name: outputs[name] for name in names}, x, level)

    def _combined(self, outputs: dict[str, Tensor], x: Tensor, level: Level) -> Tensor:
        if self.combine.space == "data":
            return self.combine(self.as_data(outputs, x, level), x, level)
        kinds = {name: self.branches[name].denoiser.prediction for name in outputs}
        kind = next(iter(kinds.values()))
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
            found |= zip(group, self._together([self.branches[n] for n in group], x, level), strict=True)
        return found

    def _together(self, bounds: list[Bound[Any]], x: Tensor, level: Level) -> list[Tensor]:
        both = bounds[0]
        for other in bounds[1:]:
            both = replace(both, condition=both.condition.cat(other.condition))
        many = (
            level
            if level.t.ndim == 0
            else Level(*(torch.cat([v] * len(bounds)) for v in (level.t, level.alpha, level.sigma)))
        )
        return list(both.output(torch.cat([x] * len(bounds)), many).chunk(len(bounds)))
