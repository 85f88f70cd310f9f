"""What int8 weights cost: errors and processor time of a step beside float32's, in two networks.

python benchmarks/int8.py [--rounds 3] [--side 32]

Stable Diffusion 1.5's U-Net has random weights; `emoji` is the shipped model. An error is that of a step's output to
float32's, relative to its norm: with int8 weights, and with int8 inputs as well, which machines have that multiply
int8 in hardware. Float32 and int8 weights take turns on one thread.
"""

import argparse
import time
from statistics import median
from unittest.mock import patch

import torch
from torch import Tensor, nn

import unnoise
from machine import describe, installed
from unnoise.core.model import Wish
from unnoise.networks.ldm_unet import LDMUNet, LDMUNetCondition, LDMUNetConfig
from unnoise.nn import int8
from unnoise.weights.int8 import chosen, quantised

CPU = torch.device("cpu")


def networks(side: int) -> dict[str, tuple[nn.Module, tuple[Tensor, Tensor, object]]]:
    """Each network, and what a step gives it."""
    torch.manual_seed(0)
    unet = LDMUNet(LDMUNetConfig()).eval()
    context = LDMUNetCondition(context=torch.randn(1, 77, 768))
    emoji = unnoise.load("emoji", device="cpu")
    words = emoji.conditioner(emoji.conditioner.prepare([Wish("a red apple")]))
    size = emoji.description.width // emoji.codec.scale
    sample = torch.randn(1, emoji.codec.channels, size, size)
    return {
        f"Stable Diffusion 1.5's U-Net, {side} x {side}": (
            unet,
            (torch.randn(1, 4, side, side), torch.tensor([500.0]), context),
        ),
        f"`emoji`, {size} x {size}": (emoji.denoiser.network, (sample, torch.tensor([0.5]), words)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="int8 weights beside float32's")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=32)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    print("| network | error, weights int8 | weights and inputs | float32, s | int8 weights, s | times as long |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, (network, step) in networks(given.side).items():
        plain = {key: network.get_parameter(key) for key in chosen(network)}
        with patch.object(int8, "multiplied", return_value=False):
            weights = {key: nn.Parameter(quantised(w, CPU, torch.float32), False) for key, w in plain.items()}
        with patch.object(int8, "multiplied", return_value=True):
            inputs = {key: nn.Parameter(quantised(w, CPU, torch.float32), False) for key, w in plain.items()}
        took: dict[str, list[float]] = {"float32": [], "int8": []}
        for turn in range(given.rounds + 1):
            for side, held in (("float32", plain), ("int8", weights)):
                put(network, held)
                began = time.process_time()
                network(*step)
                if turn:
                    took[side].append(time.process_time() - began)
        outs = [output(network, held, step) for held in (plain, weights, inputs)]
        put(network, plain)
        first, second = (float((out - outs[0]).norm() / outs[0].norm()) for out in outs[1:])
        slow, fast = median(took["int8"]), median(took["float32"])
        times = f"{fast:.3f} | {slow:.3f} | {slow / fast:.2f}"
        print(f"| {name} | {100 * first:.2f} % | {100 * second:.2f} % | {times} |", flush=True)
    ends = f"Medians of {given.rounds} alternations, 1 thread, processor time; torchao {installed('torchao')}."
    print(f"\n{ends} {describe()}")


def put(network: nn.Module, weights: dict[str, nn.Parameter]) -> None:
    for name, weight in weights.items():
        network.get_submodule(name.removesuffix(".weight")).weight = weight


def output(network: nn.Module, weights: dict[str, nn.Parameter], step: tuple[object, ...]) -> Tensor:
    put(network, weights)
    return network(*step)


if __name__ == "__main__":
    main()
