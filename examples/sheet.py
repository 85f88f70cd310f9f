"""The sheets on the model's card, docs/emoji.png, docs/emoji_backgrounds.png and docs/emoji_scenes.png: seeds 0 to 7,
default settings, uncut."""

import sys
from pathlib import Path

import unnoise
from unnoise.media import image
from unnoise.media.sheet import sheet

SEEDS = range(8)

THINGS = (
    "red apple",
    "banana",
    "strawberry",
    "pizza",
    "hamburger",
    "cat face",
    "dog face",
    "frog",
    "penguin",
    "smiling face",
    "star",
    "evergreen tree",
    "mushroom",
    "house",
    "rocket",
    "airplane",
    "crown",
    "umbrella",
    "balloon",
    "soccer ball",
)
"""Things that the model has learnt."""

BACKGROUNDS = (
    "a cat face on a blue background",
    "a red apple on a yellow background",
    "a penguin on a pink background",
    "a hamburger on a green background",
    "a star on a purple background",
    "a frog on an orange background",
    "a mushroom on a light blue background",
    "a house on a yellow background",
)
"""Such things on a colour."""

SCENES = (
    "a dog face left of a pizza",
    "a cat face and a house",
    "a soccer ball right of a star",
    "a pink rocket",
    "a purple airplane",
    "a red penguin",
    "a blue soccer ball",
    "three crowns on a pink background",
    "two frogs on a yellow background",
    "four mushrooms on a blue background",
)
"""Combinations that it never saw: the pairs and colours are among those that its scenes leave out."""


SHEETS = {"emoji": THINGS, "emoji_backgrounds": BACKGROUNDS, "emoji_scenes": SCENES}


def main(model: str = "emoji", folder: str = "docs") -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, prompts in SHEETS.items():
        rows = [[each.pixels for each in unnoise.generate(p, model=model, seed=0, count=len(SEEDS))] for p in prompts]
        path = Path(folder) / f"{name}.png"
        image.save(path, sheet(rows, rows=prompts, columns=[f"seed {seed}" for seed in SEEDS]), Path(model).stem)
        print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
