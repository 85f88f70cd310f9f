"""What the spacings that count a table's rows share: row k of N stands at t = (k + 1) / N."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from unnoise.core.error import Refused
from unnoise.core.trajectory import counted, through

if TYPE_CHECKING:
    from unnoise.core.schedule import Schedule
    from unnoise.core.trajectory import Trajectory


Start = Literal["noise", "unit"]
End = Literal["clean", "row"]


def count(schedule: Schedule, steps: int) -> int:
    """The table's length; 1000 for a continuous path."""
    rows = schedule.rows or 1000
    if counted(steps) > rows:
        raise Refused(f"{steps} steps are more than the table's {rows} rows", "take fewer steps", "steps")
    return rows


def along(schedule: Schedule, rows: list[float], start: Start, end: End) -> Trajectory:
    """Through these rows, noisiest first, and then to the clean level or, as SD's DDIM does, to row 0.

    Where the rows themselves reach row 0 and the run ends there, the peers' last step goes nowhere, and is left out.
    """
    total = schedule.rows or 1000
    if rows[0] > total - 1:
        raise Refused(f"row {rows[0]:g} lies past the table's {total}", "take fewer steps, or a lower offset", "steps")
    last = [0.0] if end == "clean" else [1 / total] if rows[-1] > 0 else []
    return through(schedule, [(row + 1) / total for row in rows] + last, 1.0 if start == "unit" else None)
