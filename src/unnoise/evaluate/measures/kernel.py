"""How far made pictures lie from real ones by a polynomial kernel of features: the kernel distance (KID)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from unnoise.evaluate.case import Case, Figure


@dataclass(frozen=True)
class Kernel:
    """One figure for each of the features; right on average however few the pictures, so perhaps below zero."""

    needs: ClassVar[frozenset[str]] = frozenset({"pictures", "features"})

    def __call__(self, case: Case) -> Iterator[Figure]:
        from unnoise.evaluate.case import Figure
        from unnoise.evaluate.kernel import kernel

        for view in case.views:
            made, real = (kernel(x, view.rest, case.rounds, case.seed) for x in (view.made, view.real))
            yield Figure("kernel", "kernel distance", view.name, made, real, better="lower")


measure = Kernel
