"""How often what is asked for is there: colours, counts, places, two things, styles and backgrounds.

The model draws the questions that came with a witness, a small network that knows real scenes (`evaluate/exam.py`).
Beside each figure stands the same of real scenes: what the witness itself gets wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from unnoise.evaluate.case import Case, Figure
    from unnoise.evaluate.exam import Answered


@dataclass(frozen=True)
class Compositional:
    """A figure for each kind of question, and one for all of them.

    Args:
        witness: the witness, by name or file.
        count: how many pictures to draw for each kind.
    """

    witness: str = "emoji_witness"
    count: int = 16
    needs: ClassVar[frozenset[str]] = frozenset({"drawing"})
    usual: ClassVar[bool] = False  # it takes a witness, which a person trains first

    def __post_init__(self) -> None:
        from unnoise.core.error import Refused

        if self.count < 2:
            raise Refused(f"{self.count} pictures a kind of question", "take at least 2", "measures")

    def __call__(self, case: Case) -> Iterator[Figure]:
        from unnoise.evaluate.compositional import KINDS
        from unnoise.evaluate.exam import answered, opened

        exam = opened(self.witness)
        # By turns, so that the pictures of a short look are the first ones of a longer one.
        turns = zip_longest(*(exam.of(kind, self.count) for kind in KINDS))
        real = [each for turn in turns for each in turn if each]
        questions = [each.question for each in real]
        assert case.draws is not None
        made = answered(exam.witness, questions, case.draws("compositional", [q.prompt for q in questions]))
        for kind in KINDS:
            rows = [k for k, q in enumerate(questions) if q.kind == kind]
            if not rows:
                continue
            yield self._figure(case, kind, exam.name, [made[k] for k in rows], [real[k] for k in rows])
        yield self._figure(case, "all of these", exam.name, made, real)

    def _figure(self, case: Case, kind: str, name: str, made: list[Answered], real: list[Answered]) -> Figure:
        import torch

        from unnoise.evaluate.bootstrap import averaged
        from unnoise.evaluate.case import Figure
        from unnoise.evaluate.compositional import KINDS

        value, beside = (
            averaged(torch.tensor([each.right for each in some], dtype=torch.float64), case.rounds, case.seed)
            for some in (made, real)
        )
        things = f"the things alone in {sum(each.things for each in made) / len(made):.3g}"
        few = f"; the witness has only {len(made)} such questions" if kind in KINDS and len(made) < self.count else ""
        return Figure(
            "compositional",
            f"asked for and shown: {kind}",
            name,
            value,
            beside,
            "real scenes of the same words",
            "higher",
            things + few,
            {"prompts": [[each.question.prompt, each.right] for each in made]},
        )


measure = Compositional
