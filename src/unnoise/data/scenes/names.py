"""The grammar of things' names: colour words in them, articles, plurals, and which ones stand beside others.

The sets' names are CLDR's: most are a thing ("red apple"), some have a tail ("glass of milk", "man running"), some are
stuff, games, views or moments, which nobody puts left of a cup.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from unnoise.data.captions import with_article
from unnoise.data.scenes.colours import NAMES

NUMBERS = ("no", "one", "two", "three", "four", "five")


def _listed(text: str) -> frozenset[str]:
    return frozenset(" ".join(text.split()).split(", "))


STUFF = _listed(
    """
    bacon, baguette bread, bread, broccoli, butter, canned food, cooked rice, coral, curry rice, custard, dna,
    falafel, fire, fondue, garlic, ginger root, green salad, ice, ice cream, luggage, mate, meat on bone, money
    with wings, nail polish, oden, popcorn, sake, salad, salt, shaved ice, soap, soft ice cream, spaghetti,
    stuffed flatbread, sushi, thread, wood, yarn
    """
)
"""A thing, but without an article and not to be counted."""

VIEWS = _listed(
    """
    airplane arrival, airplane departure, american football, anger symbol, badminton, beach with umbrella,
    biting lip, bowling, breast-feeding, bridge at night, building construction, camping, cityscape, cityscape
    at dusk, collision, construction, cooking, cricket game, dashing away, desert, dizzy, field hockey, fog,
    foggy, hand with fingers splayed, high voltage, horse racing, hot springs, hundred points, ice hockey, kiss,
    lacrosse, light rail, link, locked, locked with key, locked with pen, love-you gesture, map of Japan,
    martial arts uniform, men wrestling, metro, milky way, moon viewing ceremony, motorway, mountain railway,
    national park, night with stars, open hands, palms up together, people hugging, people wrestling, performing
    arts, ping pong, pouring liquid, raised back of hand, rolling on the floor laughing, selfie, sign of the
    horns, sparkles, star-struck, sunrise, sunrise over mountains, sunset, suspension railway, sweat droplets,
    tennis, thumbs down, thumbs up, unlocked, wedding, women wrestling, ZZZ
    """
)
"""Not a thing to put beside others: a view, a game, a state, or many things at once."""

PROPER = frozenset(("Statue of Liberty", "Tokyo tower", "Santa Claus", "Mrs. Claus", "Mx Claus", "mount fuji", "kaaba"))

IRREGULAR: Mapping[str, str] = {
    **dict.fromkeys(("deer", "moose", "bison", "squid", "shrimp", "buffalo", "moai", "dango"), ""),  # the same for many
    "mouse": "mice",
    "goose": "geese",
    "ox": "oxen",
    "tooth": "teeth",
    "foot": "feet",
    "child": "children",
    "person": "people",
    "merperson": "merpeople",
    "die": "dice",
    "cactus": "cacti",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "mango": "mangoes",
    "volcano": "volcanoes",
    "tornado": "tornadoes",
    "mosquito": "mosquitoes",
    "superhero": "superheroes",
    "knife": "knives",
    "leaf": "leaves",
    "sheaf": "sheaves",
    "wolf": "wolves",
    "elf": "elves",
    "scarf": "scarves",
}

_TAIL = re.compile(
    r" (?:of|in|with|on|without|at|behind|over|for|to|up|down|left|right|done|not done|tilted|wearing"
    r"|increasing|decreasing|high volume|medium volume|low volume)\b"
    r"|(?<=man) (?:mountain )?[a-z]+ing\b|(?<=person) (?:mountain )?[a-z]+ing\b"
    r"|(?<=face|head|leaf|page) [a-z]+ing\b|(?<=globe) showing\b"
)
_COLOURS = "|".join(NAMES)
_LEADING = re.compile(rf"({_COLOURS}) (?=[a-z])")
_WITHIN = re.compile(
    rf"\b(?:{_COLOURS}|gold|golden|silver|bronze|gray|cyan|teal|turquoise|indigo|violet|lavender|magenta|maroon|beige"
    r"|ivory|rainbow|colou?r(?:s|ed|ful)?)\b"
)
_UNPLACED = re.compile(r",|o'clock|-thirty|index pointing|\b(?:left|right)(?:wards)?\b")
_DOING = re.compile(r"^(?:man|woman|person) (?:in |with |[a-z]+ing .)")


def colour_in(name: str) -> tuple[str, str]:
    """The colour that a name begins with, or "", and the rest: "red apple" is "red" and "apple"."""
    found = _LEADING.match(name)
    return (found[1], name[found.end() :]) if found else ("", name)


def colourless(name: str) -> bool:
    """Whether no colour is said anywhere in a name."""
    return not _WITHIN.search(name)


@lru_cache(maxsize=8192)
def one(noun: str, before: str = "") -> str:
    """A single thing with what is said before its name: "an apple", "a red apple", "red grapes", "butter".

    Args:
        before: adjectives, or nothing.
    """
    called = f"{before} {noun}".strip()
    if noun in STUFF or not stands(noun) or not _single(noun):
        return called
    return with_article(called) if called[0].islower() else with_article(called[0].lower())[:-1] + called


def many(count: int, noun: str, before: str = "") -> str:
    """Several of a thing that has a plural: "three red apples"."""
    return " ".join(filter(None, (NUMBERS[count], before, plural(noun))))


@lru_cache(maxsize=8192)
def plural(noun: str) -> str:
    """The name of several; "" for stuff, plurals, proper names, lists and whatever else cannot be counted."""
    if not stands(noun) or noun in STUFF or not _single(noun) or _DOING.search(noun):
        return ""
    tail = _TAIL.search(noun)
    head, rest = (noun[: tail.start()], noun[tail.start() :]) if tail else (noun, "")
    if " and " in head:
        return ""
    before, space, last = head.rpartition(" ")
    return before + space + _several(last) + rest


def stands(noun: str) -> bool:
    """Whether a thing of this name can be put beside others."""
    return noun not in VIEWS | PROPER and not _UNPLACED.search(noun)


def _single(noun: str) -> bool:
    # A capital is no proper name here ("T-Rex", "Christmas tree"): those are listed.
    lower = noun[0].lower() + noun[1:]
    return noun[0].isalpha() and noun != "skis" and with_article(lower) != lower


def _several(word: str) -> str:
    known = IRREGULAR.get(word.lower())
    if known is not None:
        return known or word
    if word.endswith("fish"):
        return word
    if re.search(r"(?:^|wo|snow|mer|fire|super)man$", word):
        return word[:-3] + "men"
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(?:s|x|z|ch|sh)$", word) else "s")
