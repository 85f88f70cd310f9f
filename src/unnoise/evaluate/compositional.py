"""Whether a picture shows what was asked for: colours, counts, places, two things, styles, backgrounds.

In the manner of GenEval (Ghosh et al. 2023), whose detector is here a small network, a witness, which learnt its
questions on real scenes (recipe `emoji_witness`). Words and scenes come from the same engine, so that real scenes of
the same words tell how far the witness can be believed: no model is expected to pass them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from unnoise.core.error import Refused
from unnoise.data.captions import with_article
from unnoise.data.scenes.colours import NAMES
from unnoise.data.scenes.draw import key, scene_of
from unnoise.data.scenes.gallery import RELATIONS
from unnoise.data.scenes.names import many, one
from unnoise.data.scenes.scene import Mix, Scene
from unnoise.data.scenes.sprites import Sprites
from unnoise.data.scenes.walls import WALLS
from unnoise.networks.witness import NOTHING, WitnessConfig

SEVERAL = "several"
BACKGROUNDS = (*WALLS, SEVERAL)
COLOURS = NAMES

_BARE = Mix(alone=0, placed=0, counted=0, pair=0, row=0, tinted=0, plain=0, gradient=0, medley=0)
KINDS: Mapping[str, Mix] = {
    "colour": replace(_BARE, placed=1, tinted=1),
    "count": replace(_BARE, counted=1),
    "position": replace(_BARE, pair=1),
    "two objects": replace(_BARE, pair=1),
    "style": replace(_BARE, placed=1),
    "background": replace(_BARE, placed=1, plain=1),
}
"""What is asked, and the scenes that it is asked about: nothing in them is to be said beside it."""
TRIES = 1000


@dataclass(frozen=True)
class Question:
    """Words that ask for a picture, and the answers that tell whether it is one.

    Args:
        kind: one of `KINDS`.
        prompt: the words.
        wanted: the right answers, by question; "first" and "second" are the things.
    """

    kind: str
    prompt: str
    wanted: Mapping[str, str]

    def things(self, told: Mapping[str, str]) -> bool:
        """Whether the things are the right ones; which of two is first counts where their places were asked for."""
        both = [name for name in ("first", "second") if name in self.wanted]
        there, asked = [told[name] for name in both], [self.wanted[name] for name in both]
        return there == asked or (self.kind == "two objects" and there == asked[::-1])

    def right(self, told: Mapping[str, str]) -> bool:
        """Whether all was answered as wanted."""
        others = (name for name in self.wanted if name not in ("first", "second"))
        return self.things(told) and all(told[name] == self.wanted[name] for name in others)


def answers(scene: Scene, config: WitnessConfig) -> dict[str, int]:
    """The number of every question's right answer; -1 where it has none."""
    told = _told(scene)
    return {name: known.index(told[name]) if told[name] in known else -1 for name, known in config.questions.items()}


def asked(sprites: Sprites, count: int, seed: int) -> Iterator[tuple[Question, Scene]]:
    """So many questions of each kind, with a real scene of each.

    Raises:
        Refused: the pictures allow no such scene.
    """
    for kind, mix in KINDS.items():
        found = 0
        for number in range(TRIES * count):
            scene = scene_of(sprites, mix, key(seed, kind), number, "any")
            if question := _question(kind, scene, sprites):
                yield question, scene
                found += 1
            if found == count:
                break
        else:
            what = f"these pictures allow no scene that asks for {kind}"
            raise Refused(what, "take more things and styles", "things")


def _told(scene: Scene) -> dict[str, str]:
    (first, *others), names = scene.things, scene.background.names
    return {
        "first": first.noun,
        "second": others[0].noun if others else NOTHING,
        "colour": first.colour,
        "count": str(sum(len(thing.boxes) for thing in scene.things)),
        "relation": RELATIONS[scene.axis] or NOTHING,
        "background": names[0] if len(names) == 1 else SEVERAL,
        "style": scene.style,
    }


def _question(kind: str, scene: Scene, sprites: Sprites) -> Question | None:
    """What is asked by a scene of this kind; None where it shows more or less than can be asked for."""
    told, thing = _told(scene), scene.things[0]
    couple = len(scene.things) == 2 and told["count"] == "2" and told["first"] != told["second"]
    plain = scene.background.names == ("white",)
    named = {name: told[name] for name in ("first", "second") if told[name] != NOTHING}
    if kind in ("position", "two objects"):
        if not couple or not plain or any(each.tint or each.size for each in scene.things):
            return None
        first, second = (one(each.noun) for each in scene.things)
        if kind == "two objects":
            return Question(kind, f"{first} and {second}", named | {"count": "2"})
        return Question(kind, f"{first} {told['relation']} {second}", named | {"relation": told["relation"]})
    if kind == "colour":
        asks = (one(thing.noun, thing.tint), thing.tint)
    elif kind == "count":
        asks = (many(len(thing.boxes), thing.noun), told["count"])
    elif kind == "style":
        phrase = sprites.all[thing.sprite].phrase
        asks = (f"{one(thing.noun)}, {phrase}", scene.style if phrase else "")
    else:
        wall = told["background"]
        asks = (f"{one(thing.noun)} on {with_article(f'{wall} background')}", wall)
    prompt, answer = asks
    if not answer or (not plain if kind != "background" else plain):
        return None
    return Question(kind, prompt, named | {kind: answer})
