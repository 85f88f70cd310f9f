"""How much nearer to the truth than a bicubic enlargement an upscaler comes on held-out pictures, and its time.

    python benchmarks/upscaling.py --data DIR [--split heldout] [--model emoji_x4] [--threads N]

Each picture, 128 pixels a side, is shrunk by 4, rounded to 8 bits and enlarged by 4 through the code that serves. The
figure is the peak signal-to-noise ratio of red, green and blue in 8 bits, in decibels, a mean over pictures: by the way
of shrinking (the network learnt from all of them), then by drawing style, shrunk by the antialiased bicubic filter.
Last, seconds for one picture of 128 pixels to 512: the median of 9.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from machine import describe
from unnoise.catalogue import load_upscaler
from unnoise.data.degradations import FILTERS, compressed, eight_bits, shrunk
from unnoise.data.pictures import Pictures, load
from unnoise.data.source import open_source
from unnoise.media.image import from_bytes, to_bytes
from unnoise.networks.upscaler import enlarged
from unnoise.tasks._enlarge import whole

SCALE, SIZE = 4, 128


def by_filter(name: str, blur: float = 0.0) -> Callable[[Tensor], Tensor]:
    """Shrinks media by a filter, and blurs them."""
    kind = list(FILTERS).index(name)
    return lambda media: shrunk(media, SCALE, torch.full((len(media),), kind), torch.full((len(media),), blur))


def pressed(media: Tensor) -> Tensor:
    """Shrinks media and presses them as JPEG does."""
    return compressed(eight_bits(by_filter("bicubic")(media)), torch.full((len(media),), 75.0))


WAYS = {
    "bicubic, antialiased": by_filter("bicubic"),
    "area": by_filter("area"),
    "bilinear, antialiased": by_filter("bilinear"),
    "lanczos": by_filter("lanczos"),
    "bicubic, blurred by 0.5 pixels": by_filter("bicubic", 0.5),
    "bicubic, JPEG quality 75": pressed,
}


def decibels(made: Tensor, truth: Tensor) -> float:
    """The peak signal-to-noise ratio of one uint8 picture."""
    error = (made.double() - truth.double()).square().mean()
    return float(10 * torch.log10(255**2 / error.clamp(min=1e-3)))


def figures(pictures: Pictures, shrink: Callable[[Tensor], Tensor], network: Any) -> list[tuple[float, float]]:
    """Bicubic's and the network's, of each picture."""
    found: list[tuple[float, float]] = []
    for picture in pictures.images:
        small = to_bytes(eight_bits(shrink(from_bytes(picture)[None])))[0]
        plain = to_bytes(enlarged(from_bytes(small)[None], SCALE)[0])
        found.append((decibels(plain, picture), decibels(whole(network, small, SCALE), picture)))
    return found


def row(name: str, found: list[tuple[float, float]]) -> str:
    plain, made = (sum(column) / len(found) for column in zip(*found, strict=True))
    return f"{name:<32} {len(found):>8} {plain:>9.2f} {made:>9.2f} {made - plain:>+7.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="heldout")
    parser.add_argument("--model", default="emoji_x4")
    parser.add_argument("--threads", type=int, default=0)
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    pictures = load(open_source(asked.data, asked.split, captionless=True), SIZE)
    upscaler = load_upscaler(asked.model, "cpu")
    network = upscaler.network
    count = sum(p.numel() for p in network.parameters())
    print(f"{upscaler.name}, {count:,} parameters; {len(pictures)} pictures of {asked.split}, by {SCALE}")
    table(pictures, network)
    seconds: list[float] = []
    for _ in range(10):
        begun = perf_counter()
        whole(network, pictures.images[0], SCALE)
        seconds.append(perf_counter() - begun)
    print(f"{SIZE} to {SCALE * SIZE} pixels: {median(seconds[1:]):.2f} s on {torch.get_num_threads()} threads")
    print(f"\n{describe()}")


def table(pictures: Pictures, network: Any) -> None:
    print(f"\n{'shrunk by':<32} {'pictures':>8} {'bicubic':>9} {'network':>9} {'gain':>7}")
    first: list[tuple[float, float]] = []
    for name, shrink in WAYS.items():
        found = figures(pictures, shrink, network)
        first = first or found
        print(row(name, found), flush=True)
    styles: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for tags, pair in zip(pictures.tags, first, strict=True):
        styles[tags.get("style", "all")].append(pair)
    print(f"\n{'style':<32} {'pictures':>8} {'bicubic':>9} {'network':>9} {'gain':>7}")
    print("\n".join(row(style, found) for style, found in sorted(styles.items())))
    worst = sum(made < plain for plain, made in first)
    print(f"\nnearer to the truth than bicubic: {len(first) - worst} of {len(first)} pictures")


if __name__ == "__main__":
    main()
