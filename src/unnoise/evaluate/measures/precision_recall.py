"""Whether made pictures are like real ones (precision, density), and all kinds are made (recall, coverage)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from unnoise.evaluate.case import Case, Figure


@dataclass(frozen=True)
class PrecisionRecall:
    """Four figures for each of the features.

    Args:
        k: which neighbour the balls around pictures reach to.
    """

    k: int = 3
    needs: ClassVar[frozenset[str]] = frozenset({"pictures", "features"})

    def __post_init__(self) -> None:
        from unnoise.core.error import Refused

        if self.k < 1:
            raise Refused(f"there is no neighbour {self.k}", "take k=3 or more", "measures")

    def __call__(self, case: Case) -> Iterator[Figure]:
        from unnoise.evaluate.case import Figure
        from unnoise.evaluate.draw import order
        from unnoise.evaluate.precision_recall import precision_recall

        for view in case.views:
            # As many as were made, as in both papers: with more, few balls could not cover them.
            rest = view.rest[order(len(view.rest), case.seed)[: len(view.made)]]
            made, real = (precision_recall(x, rest, self.k, case.rounds, case.seed) for x in (view.made, view.real))
            for name, value in made.items():
                yield Figure("precision_recall", name, view.name, value, real[name], better="higher")


measure = PrecisionRecall
