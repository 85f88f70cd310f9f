"""How fast scenes are made, captions included.

    python benchmarks/scenes.py EMOJI_SHARDS [--rounds 7] [--count 400] [--sizes 64 128]

One process, one thread, processor time, so that what else the machine does counts little. Each round makes scenes that
no round made before: draws them, writes their captions and tags, and paints them. A figure is the median of the rounds,
with the slowest and the fastest.
"""

import argparse
from pathlib import Path
from random import Random
from statistics import median
from time import process_time

import torch

from machine import describe
from unnoise.data.scenes.draw import key, scene_of
from unnoise.data.scenes.gallery import Scenes
from unnoise.data.scenes.sprites import Shelf, cut
from unnoise.data.scenes.words import captions


def rates(scenes: Scenes, rounds: int, count: int) -> list[float]:
    """Scenes a second, one figure a round."""
    found: list[float] = []
    for k in range(rounds):
        numbers = list(range(k * count, (k + 1) * count))
        began = process_time()
        for indices, _ in scenes.gather([numbers[i : i + 32] for i in range(0, count, 32)]):
            for index in indices:
                _ = scenes.captions[index], scenes.tags[index]
        found.append(count / (process_time() - began))
    return found


def parts(scenes: Scenes, count: int) -> dict[str, float]:
    """Milliseconds a scene of each part."""
    sprites, spent = cut(scenes.shelf), {}
    began = process_time()
    drawn = [scene_of(sprites, scenes.mix, 1, k) for k in range(count)]
    spent["drawn"] = process_time() - began
    began = process_time()
    for k, scene in enumerate(drawn):
        captions(scene, sprites, Random(key(1, k)))
    spent["told"] = process_time() - began
    painter = scenes.painter
    began = process_time()
    for scene in drawn:
        painter.paint(scene)
    spent["painted"] = process_time() - began
    return {name: 1000 * seconds / count for name, seconds in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    given = parser.parse_args()
    torch.set_num_threads(1)
    shelf = Shelf(given.data)
    began = process_time()
    sprites = cut(shelf)
    kept = sum(sprite.pixels.nbytes for sprite in sprites.all) / 2**20
    print(f"{len(sprites.all)} things cut out in {process_time() - began:.1f} s, {kept:.0f} MiB\n")
    print("| pixels | scenes a second, median | slowest | fastest | drawn, ms | told, ms | painted, ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for size in given.sizes:
        scenes = Scenes(shelf=shelf, size=size)
        rounds = rates(scenes, given.rounds, given.count)
        each = " | ".join(f"{ms:.2f}" for ms in parts(scenes, given.count).values())
        print(f"| {size} | {median(rounds):.0f} | {min(rounds):.0f} | {max(rounds):.0f} | {each} |")
    print(f"\n{given.rounds} rounds of {given.count} scenes. {describe()}")


if __name__ == "__main__":
    main()
