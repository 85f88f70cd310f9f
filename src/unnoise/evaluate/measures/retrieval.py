"""How often a picture is taken for what was asked for, by a judge that knows real pictures alone.

Held-out things are looked for among all that were held out, trained ones among a fixed list of those trained on.
Nothing may be chosen among made pictures by the judge that scores them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.data.pictures import Pictures
    from unnoise.evaluate.case import Case, Figure
    from unnoise.evaluate.retrieval import Known

TOPS = (1, 5)


@dataclass(frozen=True)
class Retrieval:
    """Top-1 and top-5 of each part; without made pictures, those of all the real ones.

    Intervals are of other things having been drawn, not other pictures of the same ones.

    Args:
        judge: the judge, by name or file.
        concepts: how many trained things to tell apart, drawn by the seed.
        style: give the style with the names.
    """

    judge: str = "emoji_judge"
    concepts: int = 100
    style: bool = False
    needs: ClassVar[frozenset[str]] = frozenset({"data"})

    def __post_init__(self) -> None:
        from unnoise.core.error import Refused

        if self.concepts < 2:
            raise Refused(f"{self.concepts} concepts are nothing to tell apart", "take at least 2", "measures")

    def __call__(self, case: Case) -> Iterator[Figure]:
        from unnoise.evaluate.retrieval import known

        if case.heldout:
            yield from self._part(case, "heldout", case.heldout, known(case.heldout))
        yield from self._part(case, "train", case.train, known(case.train, self.concepts, case.seed))

    def _part(self, case: Case, split: str, pictures: Pictures, among: Known) -> Iterator[Figure]:
        from unnoise.evaluate.case import Figure
        from unnoise.evaluate.judge import opened
        from unnoise.evaluate.retrieval import concepts, found_within

        rows, indices = _asked(case, split, pictures, among)
        if not rows or len(among.numbers) < 2:
            return
        real = self._places(pictures, indices, pictures.images[indices], among)
        made = None if case.made is None else self._places(pictures, indices, case.made[rows], among)
        shown = concepts(pictures)
        things = [shown[k] for k in indices]
        kind = "held-out" if split == "heldout" else "trained"
        for top in (top for top in TOPS if top < len(among.numbers)):
            figures = [found_within(x, top, things, case.rounds, case.seed) for x in (real, made) if x is not None]
            yield Figure(
                "retrieval",
                f"retrieval, top-{top} of {len(among.numbers)} {kind} concepts{', style given' * self.style}",
                opened(self.judge).name,
                figures[-1],
                figures[0] if made is not None else None,
                better="higher",
                note="the judge may have been trained on pictures of these" if split == "train" else "",
                found={
                    "pictures": [pictures.names[k] for k in indices],
                    "place": (real if made is None else made).tolist(),
                },
            )

    def _places(self, pictures: Pictures, indices: list[int], images: Tensor, among: Known) -> Tensor:
        """The places of images that should be like pictures of these numbers."""
        import torch

        from unnoise.evaluate.judge import opened
        from unnoise.evaluate.retrieval import concepts, phrases, places

        shown, added = concepts(pictures), phrases(pictures) if self.style else []
        right = torch.tensor([among.numbers[shown[k]] for k in indices])
        return places(opened(self.judge), images, right, among, [added[k] for k in indices] if added else ())


def _asked(case: Case, split: str, pictures: Pictures, among: Known) -> tuple[list[int], list[int]]:
    """Which made pictures were asked for by words of this part's, and the real ones of those words.

    Without made pictures, all the real ones.
    """
    from unnoise.evaluate.retrieval import called, concepts

    shown, names = concepts(pictures), called(pictures)
    if case.made is None:
        kept = [k for k, each in enumerate(shown) if each in among.numbers]
        return kept, kept
    asked = [(row, d.index) for row, d in enumerate(case.drawn) if d.split == split and shown[d.index] in among.numbers]
    # Pictures made elsewhere may have been asked for by other words than those of the real ones beside them.
    told = [(row, k) for row, k in asked if case.drawn[row].prompt in (names[k], *pictures.captions[k])]
    return [row for row, _ in told], [k for _, k in told]


measure = Retrieval
