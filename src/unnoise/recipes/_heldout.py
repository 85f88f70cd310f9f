"""The held-out part of a recipe's data. A set without one trains all the same; one that is broken is said."""

from itertools import islice
from pathlib import Path

from unnoise.core.error import Refused
from unnoise.data.pictures import Keep, Pictures, load
from unnoise.data.source import items, open_source


def held_out(
    data: Path, size: int, keep: Keep | None = None, captionless: bool = False, most: int | None = None
) -> Pictures | None:
    """Its pictures, or the first so many; None where the set holds none out, or none that is kept.

    Raises:
        Refused: it is there and cannot be read.
    """
    try:
        source = open_source(data, "heldout", captionless)
        return load(tuple(islice(items(source), most)), size, keep=keep)
    except Refused as error:
        if error.field in ("split", "keep"):
            return None
        raise
