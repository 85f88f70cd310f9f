"""What the recipe `emoji_witness` is made of."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from unnoise.core.error import Refused
from unnoise.data.pictures import Pictures
from unnoise.data.scenes.draw import key
from unnoise.data.scenes.gallery import Scenes
from unnoise.data.scenes.names import plural
from unnoise.data.scenes.scene import Mix
from unnoise.data.scenes.sprites import Shelf, cut
from unnoise.data.source import items, open_source
from unnoise.data.workers import spare
from unnoise.evaluate.compositional import BACKGROUNDS, COLOURS, answers, asked
from unnoise.networks.witness import Witness as Network
from unnoise.networks.witness import WitnessConfig
from unnoise.recipes.emoji_witness import EmojiWitness
from unnoise.train.objectives.answering import Answering
from unnoise.train.optimizers import Optimizing
from unnoise.train.run import Every, Run
from unnoise.train.subjects.witness import ANSWERS, Witness

MIX = Mix(alone=0.15, placed=0.25, counted=0.25, pair=0.35, row=0, tinted=0.4, plain=0.4, gradient=0.1, medley=0)
HELDOUT = 512
OTHER = 1_000_003
"""Held-out scenes and those of the questions are drawn by other seeds, this far from the recipe's."""


def run(recipe: EmojiWitness, data: Path, device: str) -> Run:
    shelf = Shelf(data, styles=recipe.styles, leave=recipe.leave)
    shelf = replace(shelf, nouns=chosen(shelf, recipe.things))
    torch.manual_seed(recipe.seed)
    network = Network(
        WitnessConfig(
            things=shelf.nouns,
            colours=COLOURS,
            backgrounds=BACKGROUNDS,
            styles=recipe.styles,
            size=recipe.size,
            widths=recipe.widths,
            blocks=recipe.blocks,
        )
    )
    scenes = Scenes(shelf=shelf, size=recipe.size, seed=recipe.seed, mix=MIX, combinations="any", workers=spare())
    asking = list(asked(cut(shelf), recipe.questions, recipe.seed + 2 * OTHER))
    return Run(
        subject=Witness(
            title="what scenes show",
            objective=Answering(witness=network.to(device), autocast=torch.bfloat16),
            answers=lambda index: answers(scenes.scene(index), network.config),
            questions=[question for question, _ in asking],
            scenes=torch.stack([scenes.painter.paint(scene) for _, scene in asking]),
        ),
        pictures=scenes,
        heldout=heldout(replace(scenes, seed=recipe.seed + OTHER), network.config),
        steps=recipe.steps,
        batch=recipe.batch,
        seed=recipe.seed,
        optimizing=Optimizing(rate=recipe.rate, decay=0.05, warmup=100),
        every=Every(snapshot=500, heldout=250),
        compiled=recipe.compiled,
        stored=torch.bfloat16,
    )


def chosen(shelf: Shelf, count: int) -> tuple[str, ...]:
    """Things of one word that can be counted and that every style has, by a hash of their names: nobody's choice.

    Raises:
        Refused: there are not so many.
    """
    styles: defaultdict[str, set[str]] = defaultdict(set)
    for item in items(open_source(shelf.data, shelf.split)):
        name = item.tags.get("name", "")
        if item.alpha and name.isalpha() and plural(name) and shelf.keeps(item.tags):
            styles[name].add(item.tags.get("style", ""))
    known = [name for name, those in styles.items() if not shelf.styles or those >= set(shelf.styles)]
    if len(known) < count:
        what = f"'{shelf.data}' has {len(known)} things of one word in all of the styles, and {count} are asked for"
        raise Refused(what, f"--things {max(3, len(known))}, fewer styles or more data", "things")
    return tuple(sorted(sorted(known, key=lambda name: key("witness", name))[:count]))


def heldout(scenes: Scenes, config: WitnessConfig) -> Pictures:
    """Scenes of another seed, with their answers."""
    numbers: Sequence[int] = range(HELDOUT)
    images = torch.stack([scenes.picture(k) for k in numbers])
    captions = tuple(scenes.captions[k] for k in numbers)
    tags = tuple({ANSWERS: json.dumps(answers(scenes.scene(k), config))} for k in numbers)
    return Pictures(images, tuple(map(str, numbers)), captions, tags)
