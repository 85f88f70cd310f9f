"""What can be behind things, and which of it they can be told from."""

from collections.abc import Iterable
from math import dist

from unnoise.data.scenes.colours import PALETTE
from unnoise.data.scenes.scene import Background, Thing
from unnoise.data.scenes.sprites import Sprite

CONTRAST = 0.3  # between a thing's mean colour and what is behind it, each channel from 0 to 1
BETWEEN = (0.25, 0.5, 0.75)  # of a gradient's way, where it is looked at, too
WALLS = dict(PALETTE) | {
    "light blue": (0.62, 0.83, 0.99),
    "light green": (0.68, 0.93, 0.66),
    "dark blue": (0.1, 0.15, 0.42),
}
WHITE = Background(("white",), (WALLS["white"],))


def free(things: Iterable[Thing], shown: Iterable[Sprite]) -> list[str]:
    """The walls that all of these can be told from."""
    couples = list(zip(things, shown, strict=True))
    return [name for name in WALLS if all(_stands_out(thing, sprite, name) for thing, sprite in couples)]


def clear(things: Iterable[Thing], shown: Iterable[Sprite], first: str, last: str) -> bool:
    """Whether things can be told from what lies between two walls that they can be told from, too."""
    colours = [PALETTE[t.tint] if t.tint else s.mean for t, s in zip(things, shown, strict=True)]
    between = [tuple(a + k * (b - a) for a, b in zip(WALLS[first], WALLS[last], strict=True)) for k in BETWEEN]
    return all(dist(one, other) > CONTRAST for one in colours for other in between)


def _stands_out(thing: Thing, sprite: Sprite, wall: str) -> bool:
    """Whether a thing can be told from a wall: another colour's name, and some distance between the two."""
    if wall.rpartition(" ")[2] in ((thing.tint,) if thing.tint else sprite.hints):
        return False
    return dist(PALETTE[thing.tint] if thing.tint else sprite.mean, WALLS[wall]) > CONTRAST
