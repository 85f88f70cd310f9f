"""Convolutions of 3 x 3 cells in float32 on a CPU: torch's beside Winograd's, processor time and errors.

python benchmarks/convolution.py [--rounds 5]

The shapes are those of Stable Diffusion 1.5 at 512 x 512, both branches of a classifier-free step at once, and of its
autoencoder. Both take turns on one thread; an error is the largest, to float64, relative to the largest value.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from machine import describe
from unnoise.nn.winograd import LARGE, quickest, winograd

SHAPES = (
    (2, 320, 320, 64),
    (2, 960, 320, 64),
    (2, 640, 640, 32),
    (2, 1920, 640, 32),
    (2, 640, 640, 64),
    (2, 1280, 1280, 16),
    (2, 2560, 1280, 16),
    (2, 1280, 1280, 32),
    (2, 1280, 1280, 8),
    (1, 512, 512, 64),
    (1, 512, 512, 128),
    (1, 256, 256, 256),
    (1, 256, 128, 512),
    (1, 128, 128, 512),
)
"""Pictures, channels in and out, and the side."""


def main() -> None:
    parser = argparse.ArgumentParser(description="3 x 3 convolutions: torch's beside Winograd's")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("| pictures, channels, side | tiles | torch, ms | winograd, ms | of the time | torch's error | winograd's |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for count, channels, kept, side in SHAPES:
        x = torch.randn(count, channels, side, side).contiguous(memory_format=torch.channels_last)
        weight, bias = torch.randn(kept, channels, 3, 3) / (9 * channels) ** 0.5, torch.randn(kept)
        with torch.inference_mode():
            basis = quickest(x, weight)
        assert basis is not None
        sides: dict[str, Callable[[], Tensor]] = {
            "torch": lambda x=x, w=weight, b=bias: torch.nn.functional.conv2d(x, w, b, padding=1),
            "winograd": lambda x=x, w=weight, b=bias, by=basis: winograd(x, w, b, by),
        }
        with torch.inference_mode():
            took = alternated(sides, rounds)
            exact = torch.nn.functional.conv2d(x.double(), weight.double(), bias.double(), padding=1)
            wrong = {name: float((call() - exact).abs().max() / exact.abs().max()) for name, call in sides.items()}
        direct, ours = took["torch"], took["winograd"]
        what = f"{count} x {channels} to {kept}, {side} x {side}"
        times = f"{1000 * direct:.0f} | {1000 * ours:.0f} | {ours / direct:.2f}"
        tiles = "4 x 4" if basis is LARGE else "2 x 2"
        print(f"| {what} | {tiles} | {times} | {wrong['torch']:.1e} | {wrong['winograd']:.1e} |", flush=True)
    print(f"\nMedians of {rounds} alternations, 1 thread, processor time. {describe()}")


def alternated(sides: dict[str, Callable[[], Tensor]], rounds: int) -> dict[str, float]:
    """The median processor seconds of each; the first turn does not count."""
    took: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, call in sides.items():
            began = time.process_time()
            call()
            if turn:
                took[name].append(time.process_time() - began)
    return {name: median(values) for name, values in took.items()}


if __name__ == "__main__":
    main()
