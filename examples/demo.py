"""The first pictures: a few prompts, each with a few seeds, through the shipped model; one sheet in out/demo.png."""

from pathlib import Path

import unnoise
from unnoise.media import image
from unnoise.media.sheet import sheet

PROMPTS = ("red apple", "cat face", "hamburger", "penguin", "dog face")
SEEDS = (1, 2, 3, 4)


def main() -> None:
    rows = [[unnoise.generate(prompt, seed=seed)[0].pixels for seed in SEEDS] for prompt in PROMPTS]
    path = Path("out") / "demo.png"
    path.parent.mkdir(exist_ok=True)
    image.save(path, sheet(rows, rows=PROMPTS, columns=[f"seed {seed}" for seed in SEEDS]), "emoji")
    print(path)


if __name__ == "__main__":
    main()
