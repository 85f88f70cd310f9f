"""How well held-out pictures are shown after so many bits of the model's own code: a held-out loss on one scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from unnoise.data.pictures import Pictures
    from unnoise.evaluate.case import Case, Figure
    from unnoise.evaluate.rate import Told

FACTOR = 4


@dataclass(frozen=True)
class Rate:
    """Peak signal-to-noise ratios, in decibels, after a fourth of the bits, after all and after four times as many.

    The losses of two models are of one scale only where both diffuse the same space. These figures always are: errors
    of pixels, after equal bits.

    Args:
        count: pictures of each kind at most, drawn by the seed.
        bits: of a picture, beside its words.
        side: pixels a side at which pictures are compared; those that are larger are shrunk.
    """

    count: int = 64
    bits: int = 1000
    side: int = 64
    needs: ClassVar[frozenset[str]] = frozenset({"data", "model"})

    def __post_init__(self) -> None:
        from unnoise.core.error import Refused

        if min(self.count, self.bits, self.side) < 1:
            raise Refused("rate takes count, bits and side from 1 on", "count=64,bits=1000,side=64", "measures")

    def __call__(self, case: Case) -> Iterator[Figure]:
        from unnoise.evaluate.bootstrap import averaged
        from unnoise.evaluate.case import Figure

        kinds = [case.heldout, case.train] if case.heldout else [case.train]
        found = [self._told(case, each) for each in kinds]
        ends = min(float(told.bits[:, -1].min()) for told, *_ in found)
        side = min(self.side, max(case.train.images.shape[-2:]))
        title = "held-out pictures" if case.heldout else "training pictures"
        for bits in (self.bits / FACTOR, self.bits, self.bits * FACTOR):
            decibels = [(told.decibels(bits), things) for told, _, things in found]
            values = [averaged(each, case.rounds, case.seed, things) for each, things in decibels]
            yield Figure(
                "rate",
                f"{title} after {bits:g} bits, dB",
                f"{side} x {side} pixels",
                values[0],
                values[1] if case.heldout else None,
                "training pictures",
                "higher",
                "the code of some ends before" if ends < bits else "",
                found={"pictures": found[0][1], "values": decibels[0][0].tolist()},
            )

    def _told(self, case: Case, pictures: Pictures) -> tuple[Told, list[str], list[str]]:
        """Some pictures as they are sent, their names, and what each shows."""
        from unnoise.evaluate.draw import order, words
        from unnoise.evaluate.rate import told
        from unnoise.evaluate.retrieval import concepts

        assert case.model is not None
        chosen = order(len(pictures), case.seed)[: self.count]
        prompts, shown = words(pictures, case.full), concepts(pictures)
        said, most = [prompts[k] for k in chosen], self.bits * FACTOR
        found = told(case.model, pictures.images[chosen], said, self.side, most, case.seed)
        return found, [pictures.names[k] for k in chosen], [shown[k] for k in chosen]


measure = Rate
