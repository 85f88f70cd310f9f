"""How far made pictures lie from real ones as normal distributions of features: the Fréchet distance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from unnoise.evaluate.case import Case, Figure


@dataclass(frozen=True)
class Frechet:
    """One figure for each of the features; too large for few pictures, as the one beside it is."""

    needs: ClassVar[frozenset[str]] = frozenset({"pictures", "features"})

    def __call__(self, case: Case) -> Iterator[Figure]:
        from unnoise.evaluate.case import Figure
        from unnoise.evaluate.frechet import frechet

        for view in case.views:
            made, real = (frechet(x, view.rest, case.rounds, case.seed) for x in (view.made, view.real))
            count, size = view.made.shape
            few = f"{count} pictures for {size} features: read it beside the real one only" if count <= size else ""
            yield Figure("frechet", "Fréchet distance", view.name, made, real, better="lower", note=few)


measure = Frechet
