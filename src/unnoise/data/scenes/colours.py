"""Colours by name: which one a pixel has, which one a thing mostly has, and how a thing gets another.

A colour is seen as its grey (r + g + b)/3 and its chroma, a vector in the plane across the grey axis whose angle is the
hue. A thing's own colours are those whose chroma points where most of it points. They are changed by one linear map,
which scales grey, turns and scales chroma, and sends their mean to the colour wanted. What is grey or of another hue
stays: an apple's leaf, highlights, outlines. Being linear, the map is right on premultiplied edges too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Rgb = tuple[float, float, float]

PALETTE: Mapping[str, Rgb] = {
    "red": (0.86, 0.14, 0.17),
    "orange": (0.97, 0.48, 0.10),
    "yellow": (0.99, 0.83, 0.20),
    "green": (0.28, 0.68, 0.27),
    "blue": (0.18, 0.43, 0.90),
    "purple": (0.52, 0.28, 0.78),
    "pink": (0.97, 0.52, 0.74),
    "brown": (0.48, 0.29, 0.17),
    "black": (0.11, 0.11, 0.12),
    "grey": (0.58, 0.58, 0.59),
    "white": (1.0, 1.0, 1.0),
}
"""A plain example of each colour that has a name here."""

NAMES = tuple(PALETTE)
TINTS = NAMES[:8]
"""What a thing can be given: a hue, so that light and shade within it remain to be seen."""

_TO_CHROMA = np.array([[1 / 3, 1 / 3, 1 / 3], [1, -0.5, -0.5], [0, 3**0.5 / 2, -(3**0.5) / 2]])
_FROM_CHROMA = np.linalg.inv(_TO_CHROMA)


def named(rgb: Floats) -> Ints:
    """Which of `NAMES` each colour is, by number; -1 for one that people would call differently, such as teal or beige.

    Args:
        rgb: (..., 3) from 0 to 1.
    """
    value, low = rgb.max(-1), rgb.min(-1)
    chroma = value - low
    strength = chroma / np.maximum(value, 1e-6)
    hue = np.degrees(_angle(rgb)) % 360
    grey = (strength < 0.17) | (chroma < 0.07)
    coloured = ~grey & (value >= 0.28)
    strong = coloured & (strength >= 0.42)
    brown = coloured & (hue >= 6) & (hue < 45) & ((value < 0.68) | ((value < 0.82) & (strength < 0.68) & (hue < 32)))
    kinds = (
        ("black", (value < 0.28) | (grey & (value < 0.3))),
        ("white", grey & (value >= 0.9) & (strength < 0.1)),
        ("grey", grey & (value < 0.84)),
        ("brown", brown & (strength >= 0.3)),
        ("pink", coloured & ((hue >= 325) | (hue < 12)) & (strength < 0.6) & (strength > 0.2) & (value > 0.75)),
        ("pink", strong & (hue >= 312) & (hue < 340) & (value > 0.6)),
        ("red", coloured & (strength >= 0.65) & ((hue >= 342) | (hue < 15)) & (value >= 0.35)),
        ("orange", coloured & (strength >= 0.6) & (hue >= 17) & (hue < 36)),
        ("yellow", strong & (hue >= 41) & (hue < 66) & (value >= 0.7)),
        ("green", coloured & (strength >= 0.2) & (hue >= 75) & (hue < 165)),
        ("blue", coloured & (strength >= 0.3) & (hue >= 192) & (hue < 250)),
        ("purple", coloured & (strength >= 0.25) & (hue >= 258) & (hue < 305)),
    )
    return np.select([where for _, where in kinds], [NAMES.index(name) for name, _ in kinds], -1)


def share(rgb: Floats) -> Floats:
    """How much of (..., N, 3) has each of `NAMES`, (..., names), each from 0 to 1."""
    found = named(rgb)
    return np.stack([(found == k).mean(-1, dtype=np.float32) for k in range(len(NAMES))], -1)


def body(rgb: Floats) -> Rgb | None:
    """The mean of a thing's own colours, (N, 3) from 0 to 1; None where it has no one hue that most of it shares."""
    grey, across, up = np.moveaxis(rgb @ _TO_CHROMA.T, -1, 0)
    chroma = np.hypot(across, up)
    strong = (chroma > 0.2) & (grey > 0.1)
    if strong.mean() < 0.45:
        return None
    angle = np.arctan2(up[strong].mean(), across[strong].mean())
    near = np.cos(np.arctan2(up, across) - angle) > np.cos(np.radians(35))
    if (near & strong).sum() < 0.8 * strong.sum():
        return None
    red, green, blue = rgb[near & strong].mean(0).tolist()
    return red, green, blue


def mapping(own: Rgb, wanted: Rgb) -> Floats:
    """The linear map, (3, 3) to be multiplied from the right of (..., 3), that sends a thing's mean to a colour."""
    (grey, *chroma), (new_grey, *new_chroma) = _TO_CHROMA @ own, _TO_CHROMA @ wanted
    turn = complex(*new_chroma) / complex(*chroma)
    inner = np.zeros((3, 3))
    inner[0, 0] = new_grey / grey
    inner[1:, 1:] = [[turn.real, -turn.imag], [turn.imag, turn.real]]
    return (_FROM_CHROMA @ inner @ _TO_CHROMA).T.astype(np.float32)


def tinted(rgb: Floats, alpha: Floats, own: Rgb, wanted: Sequence[str]) -> Floats:
    """A thing in each of several other colours, (colours, ..., 3).

    Args:
        rgb: (..., 3) from 0 to 1, premultiplied.
        alpha: (..., 1).
        own: the thing's `body`.
        wanted: some of `TINTS`.
    """
    weight = _belongs(rgb, alpha, own)
    maps = np.stack([mapping(own, PALETTE[name]) for name in wanted])
    changed = (rgb.reshape(-1, 3) @ maps).reshape(len(maps), *rgb.shape)
    return np.clip(rgb + weight * (changed - rgb), 0, alpha)


def _belongs(rgb: Floats, alpha: Floats, own: Rgb) -> Floats:
    """How much each pixel is of the thing's own colour, 0 to 1, (..., 1)."""
    _, across, up = np.moveaxis(rgb @ _TO_CHROMA.T.astype(np.float32), -1, 0)
    chroma = np.hypot(across, up) + 1e-6
    _, *own_chroma = _TO_CHROMA @ own
    towards = np.asarray(own_chroma) / np.hypot(*own_chroma)
    cosine = (across * towards[0] + up * towards[1]) / chroma
    near = _ramp(cosine, np.cos(np.radians(55)), np.cos(np.radians(38)))
    strong = _ramp(chroma, 0.04, 0.12, alpha[..., 0])
    return (near * strong)[..., None].astype(np.float32)


def _ramp(value: Floats, low: float, high: float, unit: Any = 1.0) -> Floats:
    return np.clip((value - low * unit) / np.maximum((high - low) * unit, 1e-6), 0, 1)


def _angle(rgb: Floats) -> Floats:
    red, green, blue = np.moveaxis(rgb, -1, 0)
    return np.arctan2(3**0.5 / 2 * (green - blue), red - (green + blue) / 2)
