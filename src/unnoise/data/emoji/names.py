"""What emoji are called: CLDR's English names, groups and keywords, by code points.

`names.tsv` lies beside this file, so that nothing has to be fetched: an emoji a line, its code points, name, group and
keywords. A component (a hair colour, a letter of a flag) has no group. It was made from emojibase-data 17.0.0 (CLDR's
labels, groups, tags) and emojilib 4.0.3 (more keywords), and knows emoji up to Unicode 17; NOTICE.txt has their
licences. For newer emoji, `read` takes emojibase's own data.json.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from unnoise.core.error import Refused
from unnoise.data.emoji import points
from unnoise.data.emoji.points import Points

GROUPS = {
    0: "Smileys & Emotion",
    1: "People & Body",
    3: "Animals & Nature",
    4: "Food & Drink",
    5: "Travel & Places",
    6: "Activities",
    7: "Objects",
    8: "Symbols",
    9: "Flags",
}
"""Emojibase's numbers for CLDR's groups; 2 is its number for components."""

MOST = 8
"""Keywords an emoji has at most."""

_QUOTES = str.maketrans("’“”", '\'""')


@dataclass(frozen=True)
class Named:
    """What is said of an emoji.

    Args:
        name: in English, in lower case but for proper names.
        group: CLDR's; empty for a component.
        keywords: other words for it, the likeliest first.
    """

    name: str
    group: str
    keywords: tuple[str, ...] = ()


Names = Mapping[Points, Named]


def shipped() -> Names:
    """The names that come with the package."""
    return _table(files("unnoise.data.emoji").joinpath("names.tsv").read_text(encoding="utf-8"))


def notice() -> str:
    """The licences of the names that come with the package."""
    return files("unnoise.data.emoji").joinpath("NOTICE.txt").read_text(encoding="utf-8")


def read(path: Path) -> Names:
    """Names out of emojibase's data.json (the npm package emojibase-data, en/data.json).

    Raises:
        Refused: it cannot be read, or is something else.
    """
    what, remedy = f"{path} is not emojibase's data.json", "take en/data.json of the package emojibase-data"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        entries = [_entry(cast(Mapping[str, Any], one)) for one in cast(list[Any], found)]
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror})", remedy, "names") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise Refused(what, remedy, "names") from None
    if not entries:
        raise Refused(what, remedy, "names")
    return dict(entries)


def plain(label: str) -> str:
    """CLDR's label as a caption has it: "flag of France", "man, red hair", "two o'clock"."""
    text = label.translate(_QUOTES).replace(": facing", " facing")
    text = re.sub(r"^flag: ", "flag of ", re.sub(r"^keycap: ", "keycap ", text))
    return text.replace(": ", ", ")


def keywords(name: str, *lists: Iterable[str]) -> tuple[str, ...]:
    """The first words of these lists that have a letter, are not the name and do not come twice."""
    words = (" ".join(w.lower().translate(_QUOTES).replace("_", " ").split()) for some in lists for w in some)
    wanted = (w for w in words if w != name.lower() and re.search(r"[^\W\d_]", w))
    return tuple(dict.fromkeys(wanted))[:MOST]


def _entry(one: Mapping[str, Any]) -> tuple[Points, Named]:
    name = plain(str(one["label"]))
    group = GROUPS.get(one.get("group", 2), "")
    return points.read(str(one["hexcode"])), Named(name, group, keywords(name, map(str, one.get("tags") or ())))


def _table(text: str) -> Names:
    rows = (line.split("\t") for line in text.splitlines())
    return {points.read(p): Named(name, group, tuple(filter(None, k.split(", ")))) for p, name, group, k in rows}
