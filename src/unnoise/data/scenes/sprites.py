"""The things that scenes are made of: the pictures of a set cut out along their alpha, with what is known of each."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.data.captions import sided
from unnoise.data.pictures import middle
from unnoise.data.scenes.colours import NAMES, TINTS, Floats, Rgb, body, share, tinted
from unnoise.data.scenes.cutting import Bytes, premultiplied, trimmed
from unnoise.data.scenes.names import colour_in, colourless, plural, stands
from unnoise.data.source import Item, Source, items, layers, open_source

MOSTLY = 0.5  # of a thing's pixels: below, people would rather name two colours
PARTLY = 0.25  # enough for a colour that the thing's own name says
UNCOLOURED = ("People & Body",)  # groups whose things are not called by a colour: what is blue is the coat
LOOKED_AT = 400  # pixels, about, that colours are measured on


@dataclass(frozen=True)
class Shelf:
    """Where sprites come from.

    Args:
        data: a folder of shards whose pictures have their alpha beside them.
        split: which of the set's splits.
        styles: drawing styles to take, by the set's style tag; none for all.
        leave: groups to leave out.
        nouns: the things to take, such as "apple", be they called red or green; none for all.
    """

    data: Path
    split: str = "train"
    styles: tuple[str, ...] = ()
    leave: tuple[str, ...] = ("Flags", "Symbols")
    nouns: tuple[str, ...] = ()

    def keeps(self, tags: Mapping[str, str]) -> bool:
        """Whether a picture of these tags is wanted."""
        name = tags.get("name", "")
        named = not self.nouns or name in self.nouns or colour_in(name)[1] in self.nouns
        return named and (not self.styles or tags.get("style") in self.styles) and tags.get("group") not in self.leave


@dataclass(frozen=True, eq=False)
class Sprite:
    """One thing, cut out.

    Args:
        name: as the set has it, "red apple"; `noun` is what remains without a colour that is the thing's own, "apple".
        style, group: the set's tags; `phrase` is how the set's captions say the style, "" where they do not.
        keywords: other words for it; none says a colour or a side, which it may not have where it is shown.
        colour: what most of it is, by measurement; "" where that has no one name. `hints` are all that it partly is.
        mean: of all its colours, from 0 to 1.
        own: the mean of its own colours where it may be given another, of which `tints` become what their names say.
        corner: where in its picture it lay, left and top from 0 to 1; with `side`, the picture's side in pixels.
        pixels: premultiplied (h, w, 4), nothing of it empty at an edge.
    """

    name: str
    noun: str
    style: str
    group: str
    phrase: str
    keywords: tuple[str, ...]
    colour: str
    hints: tuple[str, ...]
    mean: Rgb
    own: Rgb | None
    tints: tuple[str, ...]
    corner: tuple[float, float]
    side: int
    pixels: Bytes = field(repr=False)

    @property
    def ratio(self) -> float:
        """Width over height."""
        height, width, _ = self.pixels.shape
        return width / height


@dataclass(frozen=True, eq=False)
class Sprites:
    """All the things there are, in the order of their set; `broken` says why others are not among them."""

    all: tuple[Sprite, ...] = field(repr=False)
    broken: tuple[str, ...] = ()

    @cached_property
    def styles(self) -> Mapping[str, tuple[int, ...]]:
        """The numbers of each style's sprites."""
        return _grouped((sprite.style, k) for k, sprite in enumerate(self.all))

    @cached_property
    def placed(self) -> Mapping[str, tuple[int, ...]]:
        """Those of each style that can stand beside others."""
        return _grouped((s.style, k) for k, s in enumerate(self.all) if stands(s.noun))

    @cached_property
    def counted(self) -> Mapping[str, tuple[int, ...]]:
        """Those of each style that can be counted."""
        return _grouped((s.style, k) for k, s in enumerate(self.all) if plural(s.noun))

    @cached_property
    def company(self) -> tuple[str, ...]:
        """The styles in which at least three things of different names can stand beside each other."""
        return tuple(s for s, placed in self.placed.items() if len({self.all[k].noun for k in placed}) >= 3)

    @cached_property
    def natural(self) -> frozenset[tuple[str, str]]:
        """Every thing with every colour that it has, or partly has, in some style without being given it."""
        return frozenset((sprite.noun, hint) for sprite in self.all for hint in sprite.hints)


@lru_cache(maxsize=4)
def cut(shelf: Shelf) -> Sprites:
    """The sprites of a shelf, read once a process: a few seconds, and 40 KB each.

    Raises:
        Refused: the set cannot be opened, or nothing on this shelf has an alpha that can be read.
    """
    sprites = cut_out(open_source(shelf.data, shelf.split), shelf)
    if not sprites.all:
        broken = f"; {len(sprites.broken)} are broken, the first is {sprites.broken[0]}" if sprites.broken else ""
        what = f"'{shelf.data}' has nothing to cut out in its split '{shelf.split}'{broken}"
        remedy = "scenes need shards with NAME.alpha.webp and a NAME.json that has a name beside NAME.webp, in one of "
        remedy += "the styles and groups asked for"
        raise Refused(what, remedy, "data")
    return sprites


def cut_out(source: Source, shelf: Shelf) -> Sprites:
    """What of a source is kept and has an alpha; what of that is empty or cannot be decoded is told as broken."""
    found: list[Sprite] = []
    broken: list[str] = []
    groups = set[str]()
    for item in items(source):
        groups.add(item.tags.get("group", ""))
        if item.alpha and item.tags.get("name") and shelf.keeps(item.tags):
            try:
                white, alpha = layers(item)
                assert alpha is not None
                sprite = sprite_of(item, middle(white), middle(alpha))
                if not shelf.nouns or sprite.noun in shelf.nouns:
                    found.append(sprite)
            except (Refused, OSError) as error:
                broken.append(str(error) if isinstance(error, Refused) else f"{item.name}: {error}")
    for name in shelf.leave:  # what is not in a set may be left out of it, but not what looks like another name
        if name not in groups and (near := get_close_matches(name, groups, 1, 0.75)):
            raise Refused(f"there is no group '{name}'", f"did you mean '{near[0]}'?", "leave")
    return Sprites(tuple(found), tuple(broken))


def sprite_of(item: Item, white: Tensor, alpha: Tensor) -> Sprite:
    """A sprite of a picture on white, uint8 (3, H, W), and its alpha, uint8 (1, H, W).

    Raises:
        Refused: nothing of it is opaque.
    """
    pixels, left, top = trimmed(premultiplied(white.numpy(), alpha.numpy()), item.name)
    looked_at = _sample(pixels)
    shares = dict(zip(NAMES, share(looked_at).tolist(), strict=True))
    name = item.tags["name"]
    noun, colour = _called(name, shares)
    plain = colourless(noun) and item.tags.get("group") not in UNCOLOURED
    own = body(looked_at) if plain else None
    return Sprite(
        name=name,
        noun=noun,
        style=item.tags.get("style", ""),
        group=item.tags.get("group", ""),
        phrase=_phrase(name, item.captions),
        keywords=tuple(w for w in _keywords(item.tags) if colourless(w) and not sided(w) and w not in name.split()),
        colour=colour if plain else "",
        hints=tuple(hint for hint in NAMES if shares[hint] >= PARTLY or hint == colour),
        mean=_rgb(looked_at.mean(0)),
        own=own,
        tints=_tints(looked_at, own, colour),
        corner=(left / white.shape[2], top / white.shape[1]),
        side=white.shape[2],
        pixels=pixels,
    )


def _rgb(colour: Floats) -> Rgb:
    red, green, blue = colour.tolist()
    return red, green, blue


def _sample(pixels: Bytes) -> Floats:
    """Some of the opaque pixels' colours, evenly taken, (N, 3) from 0 to 1."""
    opaque = pixels[pixels[..., 3] >= 128]
    opaque = opaque if len(opaque) else pixels[pixels[..., 3] > 0]
    some = opaque[:: max(1, len(opaque) // LOOKED_AT)].astype(np.float32)
    return some[:, :3] / some[:, 3:]


def _called(name: str, shares: Mapping[str, float]) -> tuple[str, str]:
    """The noun, and the colour that most of the thing is."""
    most = max(shares, key=lambda colour: shares[colour])
    colour = most if shares[most] >= MOSTLY else ""
    said, noun = colour_in(name)
    if said and shares[said] >= PARTLY and colour in ("", said):
        return noun, said
    return name, colour


def _tints(looked_at: Floats, own: Rgb | None, colour: str) -> tuple[str, ...]:
    """The colours that a thing can be given so that people would call it by them."""
    if own is None:
        return ()
    others = [tint for tint in TINTS if tint != colour]
    became = share(tinted(looked_at, np.ones_like(looked_at[:, :1]), own, others))
    return tuple(tint for tint, shares in zip(others, became, strict=True) if shares[NAMES.index(tint)] >= MOSTLY)


def _phrase(name: str, captions: tuple[str, ...]) -> str:
    full = captions[0] if captions else ""
    return full[len(name) + 2 :] if full.startswith(name + ", ") else ""


def _keywords(tags: Mapping[str, str]) -> list[str]:
    words = tags.get("keywords", "").split(", ")
    return [word for word in dict.fromkeys(words) if word.isascii() and word.replace(" ", "").isalpha()]


def _grouped(pairs: Iterable[tuple[str, int]]) -> Mapping[str, tuple[int, ...]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return {key: tuple(values) for key, values in found.items()}
