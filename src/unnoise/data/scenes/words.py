"""What is said of a scene: several captions, from everything that can be seen to a few words, all of them true.

A colour that was given to a thing is always said, and one that is behind a thing alone; whatever else a caption leaves
out, it leaves free: what a house style leaves free is that style.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from unnoise.data.captions import with_article
from unnoise.data.scenes.names import NUMBERS, many, one, plural
from unnoise.data.scenes.scene import Scene, Thing
from unnoise.data.scenes.sprites import Sprite, Sprites

FORWARD: Mapping[str, tuple[str, ...]] = {"across": ("left of", "to the left of"), "down": ("above",)}
"""How the first thing of a pair stands to the second."""
BACKWARD: Mapping[str, tuple[str, ...]] = {"across": ("right of", "to the right of"), "down": ("below", "under")}
"""How the second stands to the first."""
ENDS: Mapping[str, tuple[str, str]] = {"across": ("left", "right"), "down": ("top", "bottom")}
SIDE: Mapping[str, str] = {"across": "on", "down": "at"}
PLACES: Mapping[str, tuple[str, ...]] = {
    "middle": ("in the middle", "in the center", "in the centre"),
    "left": ("on the left", "on the left side"),
    "right": ("on the right", "on the right side"),
    "top": ("at the top",),
    "bottom": ("at the bottom",),
}


def captions(scene: Scene, sprites: Sprites, draw: Random, house: str = "") -> tuple[str, ...]:
    """Some captions of a scene, the fullest first.

    Args:
        house: the style that may be left unsaid; any other is in all captions, if the set has words for it.
    """
    sprite = sprites.all[scene.things[0].sprite]
    teller = _Teller(scene, sprite, draw, bool(house) and scene.style != house)
    found = teller.alone() if scene.kind == "alone" else teller.together()
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class _Teller:
    scene: Scene
    sprite: Sprite
    draw: Random
    styled: bool

    def alone(self) -> Sequence[str]:
        """As people ask for one thing: mostly by its name, and by what is behind it where that is not white."""
        thing, sprite = self.scene.things[0], self.sprite
        bare = f"{thing.tint} {thing.noun}" if thing.tint else sprite.name
        name = one(thing.noun, thing.tint) if thing.tint else one(sprite.name)
        chosen = self.draw.sample(sprite.keywords, min(2, len(sprite.keywords)))
        detail = ", ".join((self.draw.choice((name, bare)), *chosen))
        if self.scene.background.names == ("white",):
            shown = one(thing.noun, thing.colour) + self._background(0.3)
            told = [some + self._needed() for some in (name, bare, shown, detail)]
            return (name + self._style(whole=True), *told, bare + self._style())
        wall = with_article(f"{self.scene.background.names[0]} background")
        said = [some + self._background(1.0) for some in (name, bare, one(thing.noun, thing.colour))]
        told = [some + self._needed() for some in said]
        return (f"{name} on {wall}{self._style(whole=True)}", *told, said[1] + self._style())

    def together(self) -> Sequence[str]:
        full = self._subject(True, full=True) + self._background(1.0)
        return (
            full + self._style(whole=True),
            self._subject(self._chance(0.7))
            + self._background(0.8)
            + self._style() * (self._chance(0.3) or self.styled),
            self._subject(self._chance(0.4)) + self._needed(),
            self._subject(self._chance(0.5)) + self._style(),
            self._listed() + self._needed(),
        )

    def _subject(self, colours: bool, full: bool = False) -> str:
        """The things and how they stand."""
        called = [self._called(thing, colours, full or self._chance(0.7)) for thing in self.scene.things]
        match self.scene.kind:
            case "pair":
                return self._pair(*called, full=full)
            case "row":
                return self._row(*called, full=full)
            case _:
                return called[0] + self._place(1.0 if full else 0.6)

    def _called(self, thing: Thing, colour: bool, size: bool) -> str:
        before = " ".join(filter(None, (thing.size * size, thing.colour if colour else thing.tint)))
        count = len(thing.boxes)
        return one(thing.noun, before) if count == 1 else many(count, thing.noun, before)

    def _pair(self, first: str, second: str, full: bool) -> str:
        axis = self.scene.axis
        if not full and self._chance(0.3):
            pair = (first, second) if self._chance(0.5) else (second, first)
            return self.draw.choice((" and ", " next to ") if axis == "across" else (" and ",)).join(pair)
        if self._chance(0.6):
            return f"{first} {self.draw.choice(FORWARD[axis])} {second}"
        return f"{second} {self.draw.choice(BACKWARD[axis])} {first}"

    def _row(self, first: str, second: str, third: str, full: bool) -> str:
        (start, end), side = ENDS[self.scene.axis], SIDE[self.scene.axis]
        forms = (
            f"{second} between {first} and {third}",
            f"{first} {side} the {start}, {second} in the middle and {third} {side} the {end}",
            f"from {start} to {end}: {first}, {second}, {third}",
        )
        return self.draw.choice(forms if full or self._chance(0.5) else (f"{first}, {second} and {third}",))

    def _place(self, chance: float) -> str:
        place = self.scene.place
        if not place or not self._chance(chance):
            return ""
        return " " + self.draw.choice(PLACES.get(place, (f"in the {place} corner", f"at the {place}")))

    def _background(self, chance: float) -> str:
        """What is behind, less often said where it is white."""
        names, axis = self.scene.background.names, self.scene.background.axis
        if not self._chance(chance * (0.3 if names == ("white",) else 1.0)):
            return ""
        if len(names) == 1:
            wall = with_article(f"{names[0]} background")
            return self.draw.choice((f" on {wall}", f" on {wall}", f", {names[0]} background", f" on {names[0]}"))
        first, second = names
        (start, end), side = ENDS[axis], SIDE[axis]
        return self.draw.choice(
            (
                f" on {with_article(f'{first} and {second} gradient')}",
                f", {first} to {second} gradient background",
                f" on a gradient from {first} {side} the {start} to {second} {side} the {end}",
            )
        )

    def _style(self, whole: bool = False) -> str:
        """How it is drawn: the set's phrase, a part of it, or a short word where the phrase has it."""
        phrase = self.sprite.phrase
        if not self.scene.style or not phrase:
            return ""
        short = [f"{word} style" for word in ("flat", "3d") if word in phrase.split()]
        return ", " + (phrase if whole else self.draw.choice([*phrase.split(", "), *short]))

    def _needed(self) -> str:
        """The style, where it must be said."""
        return self._style() if self.styled else ""

    def _listed(self) -> str:
        """As keywords: "two red apples, cup, blue background"."""
        words = list(map(self._bare, self.draw.sample(self.scene.things, len(self.scene.things))))
        names = self.scene.background.names
        if names != ("white",) and self._chance(0.7):
            words.append(f"{' and '.join(names)} background")
        return ", ".join(words)

    def _bare(self, thing: Thing) -> str:
        count = len(thing.boxes)
        number = "" if count == 1 else self.draw.choice((NUMBERS[count], str(count)))
        return " ".join(filter(None, (number, thing.tint, thing.noun if count == 1 else plural(thing.noun))))

    def _chance(self, of: float) -> bool:
        return self.draw.random() < of
