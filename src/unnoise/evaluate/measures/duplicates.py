"""Pictures of the data that look the same: within training, and held out though they were trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from unnoise.evaluate.case import Case, Figure

SHOWN = 3


@dataclass(frozen=True)
class Duplicates:
    """Two figures of the data; the groups are named.

    Args:
        alike: how far two pictures may differ: the root mean square of 16 x 16 pixels, in 1/255.
    """

    alike: float = 3.0
    needs: ClassVar[frozenset[str]] = frozenset({"data"})

    def __call__(self, case: Case) -> Iterator[Figure]:
        from unnoise.evaluate.bootstrap import Estimate
        from unnoise.evaluate.case import Figure
        from unnoise.evaluate.duplicates import duplicates, leaks

        names = case.train.names
        groups = [[names[k] for k in group] for group in duplicates(case.train.images, self.alike)]
        again = Estimate(float(sum(len(group) - 1 for group in groups)), count=len(names))
        shown = "; ".join(" = ".join(group[:SHOWN]) for group in groups[:SHOWN])
        yield Figure(
            "duplicates",
            "near-duplicates in training",
            "16x16 pixels",
            again,
            better="lower",
            note=shown,
            found={"groups": groups},
        )
        if case.heldout:
            pairs = leaks(case.heldout.images, case.train.images, self.alike)
            leaked = {case.heldout.names[i]: names[j] for i, j in pairs.items()}
            some = "; ".join(f"{a} = {b}" for a, b in list(leaked.items())[:SHOWN])
            value = Estimate(float(len(leaked)), count=len(case.heldout))
            yield Figure(
                "duplicates",
                "held-out pictures that training has, too",
                "16x16 pixels",
                value,
                better="lower",
                note=some,
                found={"pairs": leaked},
            )


measure = Duplicates
