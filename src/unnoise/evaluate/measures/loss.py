"""How well a model removes noise from pictures it never saw, beside those it was trained on: the held-out loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.data.pictures import Pictures
    from unnoise.evaluate.case import Case, Figure


@dataclass(frozen=True)
class Loss:
    """The mean square error of noise - data at fixed noise and even times, whatever the model was trained by.

    Beside it stands the same of pictures of its training, and after it by how much it is more: what the model knows
    by heart.

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
        from unnoise.evaluate.bootstrap import averaged, bootstrap, grouped, mean
        from unnoise.evaluate.case import Figure

        pictures = case.heldout or case.train
        count = min(self.count, len(pictures), len(case.train))
        found, things = self._of(case, pictures, count)
        value = averaged(found, case.rounds, case.seed, things)
        if case.heldout is None:
            yield Figure("loss", "training loss", "noise - data", value, better="lower")
            return
        known, theirs = self._of(case, case.train, count)
        beside = averaged(known, case.rounds, case.seed, theirs)
        yield Figure("loss", "held-out loss", "noise - data", value, beside, "training pictures", "lower")
        of = grouped(things), grouped(theirs)
        more = bootstrap(
            lambda w: mean(found, w[0][of[0]]) / mean(known, w[1][of[1]]),
            [int(each.max()) + 1 for each in of],
            case.rounds,
            case.seed,
        )
        yield Figure("loss", "held-out loss over that of training pictures", "noise - data", more, better="lower")

    def _of(self, case: Case, pictures: Pictures, count: int) -> tuple[Tensor, list[str]]:
        """The errors of some pictures, and what each shows."""
        from unnoise.evaluate.draw import order, words
        from unnoise.evaluate.flow import flow_errors
        from unnoise.evaluate.retrieval import concepts

        assert case.model is not None
        chosen = order(len(pictures), case.seed)[:count]
        prompts = words(pictures, case.full)
        found = flow_errors(case.model, pictures.images[chosen], [prompts[k] for k in chosen], case.seed)
        shown = concepts(pictures)
        return found, [shown[k] for k in chosen]


measure = Loss
