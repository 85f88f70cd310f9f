"""What the spacings that count a table's rows share: row k of N stands at t = (k + 1) / N."""

from typing import Literal

from unnoise.core.error import Refused
from unnoise.core.schedule import Schedule
from unnoise.core.trajectory import Trajectory, through

Start = Literal["noise", "unit"]
End = Literal["clean", "row"]


def count(schedule: Schedule, steps: int) -> int:
    """The table's length; 1000 for a continuous path."""
    rows = schedule.rows or 1000
    if steps > rows:
        raise Refused(f"{steps} steps are more than the table's {rows} rows", "take fewer steps", "steps")
    return rows


def along(schedule: Schedule, rows: list[float], start: Start, end: End) -> Trajectory:
    """Through these rows, noisiest first, and then to the clean level or, as SD's DDIM does, to row 0 again."""
    total = schedule.rows or 1000
    last = 0.0 if end == "clean" else 1 / total
    return through(schedule, [(row + 1) / total for row in rows] + [last], 1.0 if start == "unit" else None)
