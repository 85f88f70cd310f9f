"""Whether made pictures repeat training: how near the nearest one is, and the share nearer than the unseen ever are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.evaluate.case import Case, Figure

SAME = 1e-3
"""Features nearer than this part of the usual distance are of the same picture but for rounding."""


@dataclass(frozen=True)
class Memorisation:
    """Two figures of 16 x 16 pixels, and two for each of the features.

    Beside them stand the held-out pictures; where nothing was held out, the training pictures without themselves. Those
    that look the same as another one trained on are left out, unless all do.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"pictures", "data"})

    def __call__(self, case: Case) -> Iterator[Figure]:
        import torch

        from unnoise.evaluate.distances import nearest
        from unnoise.evaluate.features import seen
        from unnoise.evaluate.memorisation import ALIKE, look

        unseen = (case.heldout or case.train).images
        itself = None if case.heldout else torch.arange(len(unseen))
        plain = look(case.train.images)
        theirs = nearest(look(unseen), plain, look(unseen.flip(-1)), itself).distance
        leaked = theirs <= ALIKE
        fresh = ~leaked if not bool(leaked.all()) else leaked
        mine = nearest(look(case.pictures), plain, look(case.pictures.flip(-1))).distance
        yield from self._figures(case, "16x16 pixels, in 1/255", mine, theirs[fresh], ALIKE, int(leaked.sum()))
        for features, view in zip(case.features, case.views, strict=True):
            own = view.heldout if case.heldout else view.train
            theirs = nearest(own, view.train, seen(features, unseen.flip(-1)), itself).distance[fresh]
            mine = nearest(view.made, view.train, view.mirrored).distance
            alike = SAME * float(theirs.median())
            yield from self._figures(case, view.name, mine, theirs, alike, int(leaked.sum()))

    def _figures(
        self, case: Case, name: str, mine: Tensor, theirs: Tensor, alike: float, leaked: int
    ) -> Iterator[Figure]:
        from unnoise.evaluate.bootstrap import Estimate
        from unnoise.evaluate.case import Figure
        from unnoise.evaluate.memorisation import copies, expected, typical

        who = "held-out pictures" if case.heldout else "other training pictures"
        usual = [typical(near, case.rounds, case.seed) for near in (mine, theirs)]
        yield Figure("memorisation", "nearest training picture, median", name, usual[0], usual[1], who)
        share, split = copies(mine, theirs, alike, case.rounds, case.seed), _by_split(case, mine, theirs, alike)
        told = [f"{part:.3g} of {asked}" for asked, part in split.items()]
        told += [f"{leaked} of the {who} are training pictures too"] if leaked else []
        beside = Estimate(expected(len(theirs)), count=len(theirs))
        title = "copies of training pictures"
        yield Figure("memorisation", title, name, share, beside, who, "lower", ", ".join(told), {"share": split})


def _by_split(case: Case, mine: Tensor, theirs: Tensor, alike: float) -> dict[str, float]:
    """The share of copies among pictures whose words were trained on, and among those whose words were not."""
    from unnoise.evaluate.memorisation import copies

    if not case.drawn or case.model is None:  # of pictures made elsewhere nobody knows what they were asked by
        return {}
    parts = {"trained words": case.own >= 0, "held-out words": case.own < 0}
    return {name: copies(mine[part], theirs, alike, 2).value for name, part in parts.items() if bool(part.any())}


measure = Memorisation
