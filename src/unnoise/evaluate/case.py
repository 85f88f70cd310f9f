"""What is measured: made pictures, the real ones that they were asked to be like, and the data both came from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from unnoise.core.model import Model
from unnoise.data.pictures import Pictures
from unnoise.evaluate.bootstrap import ROUNDS, Estimate
from unnoise.evaluate.draw import Drawn
from unnoise.evaluate.features import Features, seen


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Args:
        measure: the measure's file name.
        title: what the figure is, for people.
        of: what it is of, such as the features' name; empty where the title says all.
        value: of the model, or of the data where they are what is measured.
        beside: the same figure of something known, to read the first by; None where there is none.
        against: what `beside` is of; empty where that is the case's real pictures.
        better: "lower" or "higher"; empty where neither is.
        note: what a person should know of it.
        found: more of it, as JSON values.
    """

    measure: str
    title: str
    of: str
    value: Estimate
    beside: Estimate | None = None
    against: str = ""
    better: str = ""
    note: str = ""
    found: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, eq=False)
class View:
    """A case as some features see it, float32 (N, D) each; `real` has each picture that was asked for once."""

    name: str
    made: Tensor
    mirrored: Tensor
    real: Tensor
    train: Tensor
    heldout: Tensor
    rest: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """One evaluation. Everything in it is fixed before the first figure is computed.

    Args:
        train: what the model was trained on.
        heldout: what it never saw; None where nothing was held out.
        drawn: the real pictures that were asked for, in the order of `made`.
        same: whether `made` are of the words of `drawn`; else these only stand beside them.
        made: the made pictures, uint8 (N, C, H, W); None where the data alone are looked at.
        model: that made them; None where it is not known.
        features: ways of seeing them.
        draws: makes pictures of prompts, as `made` was made; None where nothing can be made. A name is given with
            them, under which they are kept: `draws("compositional", prompts)`.
        full: whether pictures are asked for by their full captions, as for `draw.words`.
        rounds: resamples of every interval.
        seed: of whatever is drawn.
    """

    train: Pictures
    heldout: Pictures | None = None
    drawn: Sequence[Drawn] = ()
    same: bool = True
    made: Tensor | None = None
    model: Model | None = None
    features: Sequence[Features] = ()
    draws: Callable[[str, Sequence[str]], Tensor] | None = None
    full: bool = False
    rounds: int = ROUNDS
    seed: int = 0

    @cached_property
    def has(self) -> frozenset[str]:
        """What a measure may need: `data`, `pictures`, `model`, `features`, `drawing`."""
        there = {
            "pictures": self.made is not None,
            "model": self.model is not None,
            "features": bool(self.features),
            "drawing": self.draws is not None,
        }
        return frozenset({"data", *(name for name, is_there in there.items() if is_there)})

    @property
    def against(self) -> str:
        """What `real` are, for people."""
        return "real pictures of the same prompts" if self.same else "real pictures drawn by the seed"

    @cached_property
    def own(self) -> Tensor:
        """Each asked picture's number in training (N,), -1 for those held out."""
        return torch.tensor([d.index if d.split == "train" else -1 for d in self.drawn], dtype=torch.long)

    @cached_property
    def rest(self) -> Tensor:
        """Numbers of the training pictures that were not asked for: the reference of distances between sets."""
        left = torch.ones(len(self.train), dtype=torch.bool)
        left[self.own[self.own >= 0]] = False
        return left.nonzero()[:, 0]

    @cached_property
    def real(self) -> Tensor:
        """The pictures that were asked for, uint8 (N, C, H, W)."""
        rows = [self._split(d.split).images[d.index] for d in self.drawn]
        return torch.stack(rows) if rows else self.train.images[:0]

    @cached_property
    def pictures(self) -> Tensor:
        """The made pictures; none where there are none."""
        return self.train.images[:0] if self.made is None else self.made

    @cached_property
    def views(self) -> list[View]:
        """The case as each of its features sees it; computed once for all measures."""
        return [self._view(features) for features in self.features]

    def _view(self, features: Features) -> View:
        train = seen(features, self.train.images)
        heldout = seen(features, self.heldout.images) if self.heldout else train[:0]
        once = dict.fromkeys((d.split, d.index) for d in self.drawn)
        real = torch.stack([(train if split == "train" else heldout)[index] for split, index in once])
        made, mirrored = seen(features, self.pictures), seen(features, self.pictures.flip(-1))
        return View(features.name, made, mirrored, real, train, heldout, train[self.rest])

    def _split(self, name: str) -> Pictures:
        return self.heldout if name == "heldout" and self.heldout else self.train
