"""A scene out of a seed and a number, and which combinations training never sees.

Some pairs of a thing and a colour that it does not have by nature, and some pairs of things, are chosen by a hash of
their names: about one in twenty. "seen" scenes have none of them and "unseen" ones at least one, so that a model is
asked for what it was never shown in any number of scenes. The hash knows the names alone; it holds for every seed, and
for every shelf of the same styles, which say what colours things have by nature.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from random import Random
from typing import Literal, get_args

from unnoise.core.error import Refused
from unnoise.data.captions import sided
from unnoise.data.scenes.arrange import WHOLE, at, grouped, halves, parted
from unnoise.data.scenes.colours import Rgb
from unnoise.data.scenes.names import plural
from unnoise.data.scenes.scene import SMALL, Axis, Background, Box, Kind, Mix, Scene, Thing
from unnoise.data.scenes.sprites import Sprite, Sprites
from unnoise.data.scenes.walls import WALLS, WHITE, clear, free

Combinations = Literal["seen", "unseen", "any"]

HELD_OUT = 50  # in a thousand
ATTEMPTS = 3000
TRIED = 8  # gradients, until one is clear
PLACES = ("middle", "left", "right", "top", "bottom", "top left", "top right", "bottom left", "bottom right")


def scene_of(sprites: Sprites, mix: Mix, seed: int, index: int, which: Combinations = "seen") -> Scene:
    """Scene `index` of a seed.

    Raises:
        Refused: no scene of these combinations turns up.
    """
    for attempt in range(ATTEMPTS):
        scene = _Drawing(sprites, mix, Random(key(seed, index, attempt))).scene()
        if which == "any" or unseen(scene, sprites.natural) == (which == "unseen"):
            return scene
    raise Refused(f"no {which} combination turns up", "take more pictures, or a mix with colours and pairs", "mix")


def key(*parts: int | str) -> int:
    """A number from 0 to 2**64 - 1 for a random choice."""
    digest = hashlib.blake2b(("scenes/" + "/".join(map(str, parts))).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def unseen(scene: Scene, natural: Collection[tuple[str, str]]) -> bool:
    """Whether a combination of a scene is held out.

    Args:
        natural: things with colours that they have by nature, which cannot be held out.
    """
    given = (f"{t.tint} {t.noun}" for t in scene.things if t.tint and (t.noun, t.tint) not in natural)
    couples = (" & ".join(sorted(pair)) for pair in combinations((t.noun for t in scene.things), 2))
    return any(map(held_out, (*given, *couples)))


@lru_cache(maxsize=1 << 16)
def held_out(combination: str) -> bool:
    """Whether a combination, "blue apple" or "apple & cup" (in the order of the alphabet), is held out."""
    digest = hashlib.sha256(f"scenes:{combination}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 1000 < HELD_OUT


@dataclass(frozen=True)
class _Drawing:
    sprites: Sprites
    mix: Mix
    draw: Random

    def scene(self) -> Scene:
        company = self.sprites.company
        weights = (
            self.mix.alone,
            self.mix.placed * bool(self.sprites.placed),
            self.mix.counted * bool(self.sprites.counted),
            self.mix.pair * bool(company),
            self.mix.row * bool(company),
        )
        if not any(weights):
            raise Refused("nothing is to be drawn", "give a kind of scenes that these pictures allow a weight", "mix")
        kind = self.draw.choices(get_args(Kind), weights)[0]
        return {
            "alone": self._alone,
            "placed": self._placed,
            "counted": self._counted,
            "pair": self._pair,
            "row": self._row,
        }[kind]()

    def _alone(self) -> Scene:
        every = self.sprites
        number = self._among(every.styles) if self.mix.house else self.draw.randrange(len(every.all))
        sprite = self.sprites.all[number]
        height, width, _ = sprite.pixels.shape
        thing = self._thing(number, self.mix.tinted / 2)
        left = 1 - sprite.corner[0] - width / sprite.side if thing.mirrored else sprite.corner[0]
        box = Box(left, sprite.corner[1], width / sprite.side, height / sprite.side)
        wall = self._wall((thing,), (sprite,)) if self.draw.random() < self.mix.grounded else WHITE
        return Scene("alone", (replace(thing, boxes=(box,)),), "", "", wall, sprite.style)

    def _placed(self) -> Scene:
        number = self._among(self.sprites.placed)
        thing = self._thing(number, self.mix.tinted)
        size, place = self.draw.choice(("small", "small", "", "big")), "middle"
        if size != "big" and self.draw.random() < 0.7:
            place = self.draw.choice(PLACES)
        low, high = {"small": (0.24, SMALL), "": (SMALL + 0.03, 0.45), "big": (0.7, 0.92)}[size]
        box = at(place, self.sprites.all[number].ratio, self.draw.uniform(low, high), self.draw)
        thing = replace(thing, size=size, boxes=(box,))
        return self._finished("placed", (thing,), "", place)

    def _counted(self) -> Scene:
        number = self._among(self.sprites.counted)
        count = self.draw.randint(2, 5)
        ratio = self.sprites.all[number].ratio
        boxes = grouped(count, ratio, WHOLE, self.draw.uniform(0.26, 0.5), self.draw)
        return self._finished("counted", (replace(self._thing(number, self.mix.tinted), boxes=boxes),))

    def _pair(self) -> Scene:
        first, second = self._company(2)
        if self.draw.random() < 0.1:
            second = self._recoloured(first) or second
        axis: Axis = self.draw.choice(("across", "down"))
        counts = self._counts(first, second)
        sizes = self.draw.choice((("", ""), ("", ""), ("", ""), ("small", "big"), ("big", "small")))
        sizes = sizes if counts == (1, 1) else ("", "")
        share = {"": 0.5 + 0.07 * (counts[0] - counts[1]), "small": 0.35, "big": 0.65}[sizes[0]]
        things = (
            self._stood(thing, size, count, region)
            for thing, size, count, region in zip((first, second), sizes, counts, halves(axis, share), strict=True)
        )
        return self._finished("pair", tuple(things), axis)

    def _row(self) -> Scene:
        axis: Axis = self.draw.choice(("across", "across", "down"))
        parts = parted(axis, [self.draw.uniform(0.9, 1.1) for _ in range(3)])
        things = (self._stood(t, "", 1, part) for t, part in zip(self._company(3), parts, strict=True))
        return self._finished("row", tuple(things), axis)

    def _stood(self, thing: Thing, size: str, count: int, region: Box) -> Thing:
        """A thing in its region, which is large enough for whatever size it is called."""
        longest = {"small": (0.22, 0.3), "big": (0.53, 0.62), "": (0.36, 0.46)}[size]
        ratio = self.sprites.all[thing.sprite].ratio
        boxes = grouped(count, ratio, region, self.draw.uniform(*longest), self.draw)
        return replace(thing, size=size, boxes=boxes)

    def _counts(self, first: Thing, second: Thing) -> tuple[int, int]:
        if self.draw.random() < 0.75:
            return 1, 1
        several = self.draw.randint(2, 3)
        if self.draw.random() < 0.5:
            return (several, 1) if plural(first.noun) else (1, 1)
        return (1, several) if plural(second.noun) else (1, 1)

    def _company(self, count: int) -> tuple[Thing, ...]:
        """Things of different names, mostly of one style."""
        styles, chosen = self.sprites.company, dict[str, int]()
        medley, style = self.draw.random() < self.mix.medley, self._style(styles)
        while len(chosen) < count:
            number = self.draw.choice(self.sprites.placed[self.draw.choice(styles) if medley else style])
            chosen.setdefault(self.sprites.all[number].noun, number)
        return tuple(self._thing(number, self.mix.tinted) for number in chosen.values())

    def _among(self, groups: Mapping[str, Sequence[int]]) -> int:
        """One of the sprites that are grouped by their styles."""
        return self.draw.choice(groups[self._style(list(groups))])

    def _style(self, styles: Sequence[str]) -> str:
        """One of these, the house style as often as the mix has it."""
        house = self.mix.house
        if house in styles and len(styles) > 1:
            styles = [house] if self.draw.random() < self.mix.housed else [s for s in styles if s != house]
        return self.draw.choice(styles)

    def _thing(self, number: int, tinted: float) -> Thing:
        """A thing that stands nowhere yet."""
        sprite = self.sprites.all[number]
        tint = self.draw.choice(sprite.tints) if self.draw.random() < tinted and sprite.tints else ""
        mirrored = self.draw.random() < self.mix.mirrored and not sided(sprite.name)
        return Thing(number, sprite.noun, tint or sprite.colour, tint, "", mirrored, ())

    def _recoloured(self, thing: Thing) -> Thing | None:
        """The same thing in a colour that it cannot be taken to have; None where either colour has no name."""
        sprite = self.sprites.all[thing.sprite]
        others = [tint for tint in sprite.tints if tint != thing.colour and (thing.tint or tint not in sprite.hints)]
        if not thing.colour or not others:
            return None
        tint = self.draw.choice(others)
        return replace(thing, colour=tint, tint=tint)

    def _finished(self, kind: Kind, things: tuple[Thing, ...], axis: Axis = "", place: str = "") -> Scene:
        shown = [self.sprites.all[thing.sprite] for thing in things]
        styles = {sprite.style for sprite in shown}
        return Scene(
            kind, things, axis, place, self._background(things, shown), styles.pop() if len(styles) == 1 else ""
        )

    def _background(self, things: Iterable[Thing], shown: Iterable[Sprite]) -> Background:
        """A background that the things can be told from."""
        walls = free(things, shown)
        chance = self.draw.random()
        if chance < self.mix.gradient and len(walls) > 1:
            axis: Axis = self.draw.choice(("across", "down"))
            for _ in range(TRIED):
                names = self.draw.sample(walls, 2)
                if clear(things, shown, *names):
                    return Background(tuple(names), tuple(map(self._shade, names)), axis)
        if chance < self.mix.gradient + self.mix.plain or "white" not in walls:
            return self._wall(things, shown)
        return WHITE

    def _wall(self, things: Iterable[Thing], shown: Iterable[Sprite]) -> Background:
        """One colour other than white that the things can be told from; white where there is none."""
        coloured = [name for name in free(things, shown) if name != "white"]
        if not coloured:
            return WHITE
        name = self.draw.choice(coloured)
        return Background((name,), (self._shade(name),))

    def _shade(self, name: str) -> Rgb:
        if name == "white":
            return WALLS[name]
        red, green, blue = (min(1.0, max(0.0, part + self.draw.uniform(-0.03, 0.03))) for part in WALLS[name])
        return red, green, blue
