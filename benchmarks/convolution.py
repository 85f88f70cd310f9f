"""Convolutions of 3 x 3 cells in float32 on a CPU: torch's way beside ours, processor time and errors.

python benchmarks/convolution.py [--rounds 5]

The shapes are those of Stable Diffusion 1.5 at 512 x 512, both branches of a classifier-free step at once, and of its
autoencoder. Both take turns on one thread; an error is the largest, to float64, relative to the largest value.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import Tensor

from machine import describe
from unnoise.nn.gathered import few, gathered
from unnoise.nn.winograd import quickest, winograd

SHAPES = (
    (2, 320, 320, 64, 1),
    (2, 960, 320, 64, 1),
    (2, 640, 640, 32, 1),
    (2, 1920, 640, 32, 1),
    (2, 640, 640, 64, 1),
    (2, 1280, 1280, 16, 1),
    (2, 2560, 1280, 16, 1),
    (2, 1280, 1280, 32, 1),
    (2, 1280, 1280, 16, 2),
    (2, 1280, 1280, 8, 1),
    (2, 2560, 1280, 8, 1),
    (1, 1280, 1280, 8, 1),
    (1, 512, 512, 64, 1),
    (1, 512, 512, 128, 1),
    (1, 256, 256, 256, 1),
    (1, 256, 128, 512, 1),
    (1, 128, 128, 512, 1),
)
"""Pictures, channels in and out, the side, and the stride."""


def main() -> None:
    parser = argparse.ArgumentParser(description="3 x 3 convolutions: torch's way beside ours")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("| pictures, channels, side | our way | torch, ms | ours, ms | of the time | torch's error | ours |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for count, channels, kept, side, stride in SHAPES:
        x = torch.randn(count, channels, side, side).contiguous(memory_format=torch.channels_last)
        weight, bias = torch.randn(kept, channels, 3, 3) / (9 * channels) ** 0.5, torch.randn(kept)
        with torch.inference_mode():
            way, ours = chosen(x, weight, bias, stride)
            direct = partial(torch.nn.functional.conv2d, x, weight, bias, stride, 1)
            sides: dict[str, Callable[[], Tensor]] = {"torch": direct, "ours": ours}
            took = alternated(sides, rounds)
            exact = torch.nn.functional.conv2d(x.double(), weight.double(), bias.double(), stride, 1)
            wrong = {name: float((call() - exact).abs().max() / exact.abs().max()) for name, call in sides.items()}
        what = f"{count} x {channels} to {kept}, {side} x {side}{', stride 2' if stride > 1 else ''}"
        times = f"{1000 * took['torch']:.0f} | {1000 * took['ours']:.0f} | {took['ours'] / took['torch']:.2f}"
        print(f"| {what} | {way} | {times} | {wrong['torch']:.1e} | {wrong['ours']:.1e} |", flush=True)
    print(f"\nMedians of {rounds} alternations, 1 thread, processor time. {describe()}")


def chosen(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> tuple[str, Callable[[], Tensor]]:
    """What a layer of ours does with this, in words and as a call."""
    if few(x, weight, stride):
        return "one product", partial(gathered, x, weight, bias, stride)
    basis = quickest(x, weight)
    assert basis is not None and stride == 1
    return f"Winograd, {basis.cells} x {basis.cells}", partial(winograd, x, weight, bias, basis)


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
