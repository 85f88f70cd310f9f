"""What a scene is: things with their places, a background, and nothing that is not to be seen in the picture."""

from dataclasses import dataclass
from typing import Literal

from unnoise.data.scenes.colours import Rgb

Kind = Literal["alone", "placed", "counted", "pair", "row"]
Axis = Literal["", "across", "down"]

SMALL = 0.32
"""A thing that is called small has no side longer than this part of the picture's."""
BIG = 0.5
"""One that is called big has one at least as long as this."""


@dataclass(frozen=True)
class Box:
    """A part of the picture, whose left, top, width and height are from 0 to 1 of its side."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def middle(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2


@dataclass(frozen=True)
class Thing:
    """One to five of a kind.

    Args:
        sprite: its number among the sprites.
        noun: what it is called.
        colour: which it has; "" where that has no one name. `tint` is the same where it was given to it, or else "".
        size: "small" or "big" where it is so beyond doubt, or "".
        mirrored: whether it looks the other way.
        boxes: where each one is.
    """

    sprite: int
    noun: str
    colour: str
    tint: str
    size: str
    mirrored: bool
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Background:
    """One colour, or two that run into each other.

    Args:
        names: of the one colour or the two.
        colours: the same in numbers, from 0 to 1.
        axis: from left to right ("across") or from top to bottom ("down"), where there are two.
    """

    names: tuple[str, ...]
    colours: tuple[Rgb, ...]
    axis: Axis = ""


@dataclass(frozen=True)
class Scene:
    """A picture to be.

    Args:
        kind: one thing as the sets show it, on white or on a colour ("alone"), one with a size, a place and a
            background ("placed"), two to five of a kind ("counted"), two kinds ("pair"), or three of them in a row.
        things: from left to right or from top to bottom.
        axis: which of the two; "" where there is one kind.
        place: where a placed thing is, such as "top left" or "middle"; "" where nothing is to be said.
        background: what is behind them.
        style: the set's tag of the style that all of them are drawn in; "" where it is not one.
    """

    kind: Kind
    things: tuple[Thing, ...]
    axis: Axis
    place: str
    background: Background
    style: str


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How often what is drawn.

    Args:
        alone, placed, counted, pair, row: the kinds of scenes, relative weights.
        tinted: how often a thing that can be given another colour is, where it has company or a background; half as
            often where it is alone.
        mirrored: how often a thing that may be is mirrored.
        plain, gradient: how often the background is a colour other than white, or two colours; 0 to 1 together.
        grounded: how often what is alone has a colour other than white behind it, instead of these.
        medley: how often the things of a scene are each of its own style.
        house: the style that captions may leave unsaid, by the set's tag: they name every other that the set has
            words for. "" lets them leave any unsaid.
        housed: how often a scene is of the house style.
    """

    alone: float = 0.5
    placed: float = 0.1
    counted: float = 0.14
    pair: float = 0.2
    row: float = 0.06
    tinted: float = 0.35
    mirrored: float = 0.5
    plain: float = 0.45
    gradient: float = 0.2
    grounded: float = 0.25
    medley: float = 0.04
    house: str = ""
    housed: float = 0.5
