"""Sheets for a reader who must not know what was asked for: the card's prompts, seeds 0 to 2, of models side by side.

    python examples/blind.py OUT MODEL [MODEL ...] [--shuffle 0]

All pictures are brought to one size, shuffled and laid out thirty a sheet, numbered and without words. OUT.key.json
says what each one is, sheet by sheet, row by row: [model, prompt, seed]. Give the reader OUT alone, have every picture
named in any words, and compare.
"""

import argparse
import json
from pathlib import Path
from random import Random

import torch
from torch import Tensor

import unnoise
from sheet import SCENES, THINGS
from unnoise.media import image
from unnoise.media.sheet import sheet

SEEDS, ROWS, COLUMNS, SIDE = 3, 5, 6, 128

Shown = tuple[tuple[str, str, int], Tensor]


def drawn(model: str) -> list[Shown]:
    """The prompts' pictures, with what each one is."""
    found: list[Shown] = []
    for prompt in (*THINGS, *SCENES):
        made = unnoise.generate(prompt, model=model, seed=0, count=SEEDS)
        found += [((model, prompt, seed), enlarged(each.pixels)) for seed, each in enumerate(made)]
    return found


def enlarged(pixels: Tensor) -> Tensor:
    """A uint8 picture (3, H, W) at the size of all."""
    if pixels.shape[-1] == SIDE:
        return pixels
    return torch.nn.functional.interpolate(pixels[None], (SIDE, SIDE), mode="bicubic", antialias=True)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description="Shuffled sheets without words, for a blind reader")
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--shuffle", type=int, default=0, help="the order's seed: another one for every reading")
    asked = parser.parse_args()
    pictures = [each for model in asked.models for each in drawn(model)]
    Random(asked.shuffle).shuffle(pictures)
    asked.out.mkdir(parents=True, exist_ok=True)
    each = ROWS * COLUMNS
    for first in range(0, len(pictures), each):
        shown = [pixels for _, pixels in pictures[first : first + each]]
        rows = [shown[k : k + COLUMNS] for k in range(0, len(shown), COLUMNS)]
        names = [f"row {'ABCDE'[k]}" for k in range(len(rows))]
        path = asked.out / f"sheet{first // each}.png"
        image.save(path, sheet(rows, rows=names, columns=[str(k + 1) for k in range(COLUMNS)]), "blind")
        print(path)
    asked.out.with_name(f"{asked.out.name}.key.json").write_text(json.dumps([key for key, _ in pictures], indent=1))


if __name__ == "__main__":
    main()
