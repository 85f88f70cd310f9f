"""Which drawings become pictures, what they are called, and why the others are left out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from unnoise.core.error import Refused
from unnoise.data.emoji import names, points
from unnoise.data.emoji.names import Named, Names
from unnoise.data.emoji.points import Points
from unnoise.data.upstream import UPSTREAMS
from unnoise.data.upstream._art import Art

UNWANTED: Mapping[Points, str] = {(0x1F595,): "middle finger"}

BORROWED = frozenset(("AC", "BV", "CP", "DG", "EA", "HM", "MF", "SJ", "TA", "UM", "WF"))
"""Places whose flag is another country's: of pictures that are the same, the country's own name is kept."""

_MAN_TO_GIRL = range(0x1F466, 0x1F46A)
_LETTER_A = 0x1F1E6


@dataclass(frozen=True)
class Picked:
    """A drawing that becomes a picture.

    Args:
        upstream: the repository's name.
        folder: its clone.
        art: the drawing.
        named: what is said of it.
    """

    upstream: str
    folder: Path
    art: Art
    named: Named

    @property
    def name(self) -> str:
        """The picture's, one of a kind."""
        return f"{self.art.style.name}_{points.written(self.art.points)}"


@dataclass(frozen=True)
class Chosen:
    """The drawings that become pictures, in order of their names; and style -> why -> how many are left out."""

    picked: tuple[Picked, ...]
    left_out: Mapping[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])


def choose(clones: Mapping[str, Path], styles: Iterable[str], known: Names) -> Chosen:
    """Look through the clones.

    Args:
        clones: repository -> its folder.
        styles: the wanted ones; every one there is where none is named.
        known: what emoji are called; a repository's own words count where they are not known.

    Raises:
        Refused: a folder is no clone, a style is in none of them, or nothing is left.
    """
    there = [style.name for name in clones for style in UPSTREAMS[name].styles]
    wanted = list(styles) or there
    if unknown := [name for name in wanted if name not in there]:
        raise Refused(f"no repository given has the style '{unknown[0][:60]}'", f"one of {', '.join(there)}", "styles")
    left_out = {name: Counter[str]() for name in wanted}
    picked: dict[str, Picked] = {}
    for one in _all(clones, wanted, known):
        if why := "the same emoji again" if one.name in picked else _unfit(one.art.points, one.named):
            left_out[one.art.style.name][why] += 1
        else:
            picked[one.name] = one
    if not picked:
        raise Refused("no picture is left", "give a whole clone, or name other styles", "styles")
    return Chosen(tuple(picked[name] for name in sorted(picked)), left_out)


def plainness(emoji: Points) -> tuple[object, ...]:
    """Sorts emoji that are drawn the same: the one whose name says no more than the picture shows comes first."""
    letters = [chr(point - _LETTER_A + ord("A")) for point in emoji if _LETTER_A <= point < _LETTER_A + 26]
    gendered = sum(point in _MAN_TO_GIRL for point in emoji)
    return "".join(letters) in BORROWED, gendered, len(emoji), emoji


def _all(clones: Mapping[str, Path], styles: Iterable[str], known: Names) -> Iterator[Picked]:
    wanted = frozenset(styles)
    for upstream, folder in clones.items():
        for art in UPSTREAMS[upstream].art(folder):
            if art.style.name in wanted:
                yield Picked(upstream, folder, art, _called(art, known))


def _called(art: Art, known: Names) -> Named:
    """What is known of an emoji, the repository's own keywords first."""
    found, own = known.get(art.points), art.own or Named("", "")
    if found is None:
        return own
    return Named(found.name, found.group, names.keywords(found.name, own.keywords, found.keywords))


def _unfit(emoji: Points, named: Named) -> str:
    """Why a drawing is left out; empty where it is not."""
    if points.toned(emoji) and len(emoji) > 1:
        return "skin tone"
    if emoji in UNWANTED:
        return UNWANTED[emoji]
    if not named.name:
        return "no name"
    return "" if named.group else "component"
