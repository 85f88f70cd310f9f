"""The sheet on the model's card, docs/emoji.png: ten prompts, seeds 0 to 9, default settings, uncut."""

import sys
from pathlib import Path

import unnoise
from unnoise.media import image
from unnoise.media.sheet import sheet

PROMPTS = (
    "red apple",
    "pizza",
    "sunflower",
    "rocket",
    "soccer ball",
    "dog face",
    "cat face",
    "airplane",
    "hamburger",
    "crown",
)
SEEDS = range(10)


def main(model: str = "emoji", to: str = "docs/emoji.png") -> None:
    rows = [
        [picture.pixels for picture in unnoise.generate(prompt, model=model, seed=0, count=len(SEEDS))]
        for prompt in PROMPTS
    ]
    path = Path(to)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, sheet(rows, rows=PROMPTS, columns=[f"seed {seed}" for seed in SEEDS]), Path(model).stem)
    print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
