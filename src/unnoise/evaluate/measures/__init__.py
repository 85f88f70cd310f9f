"""What an evaluation tells, one measure a file; `MEASURES` knows them by the file's name.

A measure is a frozen dataclass whose fields are its options. It names what it `needs` of a case, `data`, `pictures`,
`model` or `features`, and is left out where that is missing, unless it was asked for. Its file imports without torch,
so that it can be listed and refused at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from unnoise.core.error import Refused
from unnoise.core.registry import Registry

if TYPE_CHECKING:
    from unnoise.evaluate.case import Case, Figure


class Measure(Protocol):
    """Figures of a case, one after the other.

    A class with `usual = False` is only computed when it is named.
    """

    needs: ClassVar[frozenset[str]]

    def __call__(self, case: Case, /) -> Iterator[Figure]: ...


MEASURES: Registry[type[Any]] = Registry("unnoise.evaluate.measures", "measure")


def chosen(specs: Sequence[str], has: frozenset[str]) -> list[Measure]:
    """The measures of these names, or every usual one that a case with these things can have.

    Raises:
        Refused: one is unknown, or needs what is not there.
    """
    if not specs:
        usual = (MEASURES[name]() for name in MEASURES if getattr(MEASURES[name], "usual", True))
        return [measure for measure in usual if measure.needs <= has]
    made = [(spec, MEASURES.make(spec)) for spec in specs]
    for spec, measure in made:
        if missing := measure.needs - has:
            raise Refused(f"the measure '{spec}' needs {' and '.join(sorted(missing))}", _GIVE, "measures")
    return [measure for _, measure in made]


_GIVE = "name a model, or a folder with --pictures; or leave it out"
