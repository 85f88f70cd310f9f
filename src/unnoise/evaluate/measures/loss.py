"""How well a model removes noise from pictures it never saw, beside those it was trained on: the held-out loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from unnoise.data.pictures import Pictures
    from unnoise.evaluate.bootstrap import Estimate
    from unnoise.evaluate.case import Case, Figure


@dataclass(frozen=True)
class Loss:
    """The mean square error of noise - data at fixed noise and even times, whatever the model was trained by.

    Args:
        count: pictures of each kind at most, drawn by the seed.
    """

    count: int = 256
    needs: ClassVar[frozenset[str]] = frozenset({"data", "model"})

    def __post_init__(self) -> None:
        from unnoise.core.error import Refused

        if self.count < 1:
            raise Refused(f"a loss of {self.count} pictures", "take at least 1", "measures")

    def __call__(self, case: Case) -> Iterator[Figure]:
        from unnoise.evaluate.case import Figure

        pictures = case.heldout or case.train
        count = min(self.count, len(pictures), len(case.train))
        value = self._of(case, pictures, count)
        beside = self._of(case, case.train, count) if case.heldout else None
        title = "held-out loss" if case.heldout else "training loss"
        yield Figure("loss", title, "noise - data", value, beside, "training pictures", "lower")

    def _of(self, case: Case, pictures: Pictures, count: int) -> Estimate:
        from unnoise.evaluate.bootstrap import averaged
        from unnoise.evaluate.draw import order, words
        from unnoise.evaluate.flow import flow_errors

        assert case.model is not None
        chosen = order(len(pictures), case.seed)[:count]
        prompts = words(pictures, case.full)
        found = flow_errors(case.model, pictures.images[chosen], [prompts[k] for k in chosen], case.seed)
        return averaged(found, case.rounds, case.seed)


measure = Loss
