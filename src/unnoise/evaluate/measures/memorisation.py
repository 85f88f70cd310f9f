"""Whether made pictures repeat training: how near the nearest one is, and the share nearer than the unseen ever are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.evaluate.case import Case, Figure


@dataclass(frozen=True)
class Memorisation:
    """Two figures of 16 x 16 pixels, and two for each of the features.

    Beside them stand the held-out pictures; where nothing was held out, the training pictures without themselves.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"pictures", "data"})

    def __call__(self, case: Case) -> Iterator[Figure]:
        from unnoise.evaluate.memorisation import look

        unseen = case.heldout.images if case.heldout else case.train.images
        made = (look(case.pictures), look(case.pictures.flip(-1)))
        yield from self._figures(
            case, "16x16 pixels, in 1/255", made, (look(unseen), look(unseen.flip(-1))), look(case.train.images)
        )
        for features, view in zip(case.features, case.views, strict=True):
            from unnoise.evaluate.features import seen

            yield from self._figures(
                case,
                view.name,
                (view.made, view.mirrored),
                (view.heldout if case.heldout else view.train, seen(features, unseen.flip(-1))),
                view.train,
            )

    def _figures(
        self, case: Case, name: str, made: tuple[Tensor, Tensor], unseen: tuple[Tensor, Tensor], train: Tensor
    ) -> Iterator[Figure]:
        import torch

        from unnoise.evaluate.bootstrap import Estimate
        from unnoise.evaluate.case import Figure
        from unnoise.evaluate.distances import nearest
        from unnoise.evaluate.memorisation import RARE, copies, typical

        itself = None if case.heldout else torch.arange(len(train))
        mine = nearest(made[0], train, made[1]).distance
        theirs = nearest(unseen[0], train, unseen[1], itself).distance
        who = "held-out pictures" if case.heldout else "other training pictures"
        usual = [typical(near, case.rounds, case.seed) for near in (mine, theirs)]
        yield Figure("memorisation", "nearest training picture, median", name, usual[0], usual[1], who)
        share, split = copies(mine, theirs, case.rounds, case.seed), _by_split(case, mine, theirs)
        told = ", ".join(f"{part:.3g} of {asked}" for asked, part in split.items())
        beside = Estimate(RARE, count=len(theirs))
        title = "copies of training pictures"
        yield Figure("memorisation", title, name, share, beside, who, "lower", told, {"share": split})


def _by_split(case: Case, mine: Tensor, theirs: Tensor) -> dict[str, float]:
    """The share of copies among pictures whose words were trained on, and among those whose words were not."""
    from unnoise.evaluate.memorisation import copies

    if not case.drawn or case.model is None:  # of pictures made elsewhere nobody knows what they were asked by
        return {}
    parts = {"trained words": case.own >= 0, "held-out words": case.own < 0}
    return {name: copies(mine[part], theirs, 2).value for name, part in parts.items() if bool(part.any())}


measure = Memorisation
