"""The errors a person can mend. Each names the thing and says what would do; the command line prints it as one line."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


class Refused(ValueError):
    """A request that cannot be honoured as it stands.

    Args:
        what: what is wrong, naming the field or the file.
        remedy: what would do.
        field: the request's field, where there is one.
    """

    def __init__(self, what: str, remedy: str = "", field: str = "") -> None:
        super().__init__(f"{what}: {remedy}" if remedy else what)
        self.what, self.remedy, self.field = what, remedy, field


def together(attempts: Iterable[Callable[[], T]]) -> list[T]:
    """What each of them gives.

    Raises:
        Refused: some were; it says of all of these what is wrong, and what would do.
    """
    found, faults = list[T](), list[Refused]()
    for attempt in attempts:
        try:
            found.append(attempt())
        except Refused as refused:
            faults.append(refused)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        wrong, remedies = (dict.fromkeys(words) for words in zip(*((f.what, f.remedy) for f in faults), strict=True))
        raise Refused("; ".join(wrong), "; ".join(filter(None, remedies)), faults[0].field)
    return found
