"""Amounts of memory as people write them."""

import re

from unnoise.core.error import Refused

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def read_size(text: str | int, field: str = "memory") -> int:
    """Bytes: of "2GB", "1.5 GiB", "800M" or a number of them.

    Raises:
        Refused: it is none, or nothing.
    """
    found = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([kmgt]?i?)b?\s*", str(text), re.IGNORECASE)
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None or (size := round(float(found[1]) * unit)) <= 0:
        raise Refused(f"'{str(text)[:40]}' is no amount of memory", "write it as 2GB or 800MB", field)
    return size
