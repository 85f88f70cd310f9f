"""What an adapter costs on a U-Net as large as Stable Diffusion 1's: attached and fused, beside none.

    python benchmarks/adapters.py [--rank 16] [--side 32] [--rounds 3] [--threads 1] [--clock cpu]

A LoRA of random numbers for every attention layer, in kohya's spelling, is read from its file and put on. Calls of the
three networks take turns, so that all see the same machine. `adds` is the memory of its own that the adapted network
has beside the one it shares the rest with.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from torch import nn

from machine import describe
from unnoise.adapters.attach import beside, fused, touches
from unnoise.adapters.layers import Part
from unnoise.adapters.lora import read
from unnoise.adapters.strength import Strength
from unnoise.networks.ldm_unet import LDMUNet, LDMUNetCondition, LDMUNetConfig
from unnoise.nn.view import replaced
from unnoise.weights.store import write_tensors

TOUCHED = ("to_q", "to_k", "to_v", "to_out.0")


def lora(network: nn.Module, rank: int, folder: Path) -> Path:
    """A file with a LoRA for every attention layer."""
    tensors: dict[str, torch.Tensor] = {}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Linear) and name.endswith(TOUCHED):
            flat = f"lora_unet_{name.replace('.', '_')}"
            tensors[f"{flat}.lora_down.weight"] = torch.randn(rank, layer.in_features) * 0.01
            tensors[f"{flat}.lora_up.weight"] = torch.randn(layer.out_features, rank) * 0.01
    write_tensors(path := folder / "lora.safetensors", tensors, {"format": "pt"})
    return path


def put(network: LDMUNet, path: Path, change: Any) -> LDMUNet:
    """The network with the file's adapter on."""
    part = Part(network)
    found: dict[str, list[Any]] = {}
    for _, layer, touch in touches(read(path), Strength(), {"network": part}):
        found.setdefault(layer, []).append(touch)
    return replaced(network, {name: change(part.layers[name], its) for name, its in found.items()})


def adds(network: nn.Module, own: nn.Module) -> float:
    """Megabytes of parameters that the one has and the other has not."""
    known = {id(p) for p in own.parameters()}
    return sum(p.numel() * p.element_size() for p in network.parameters() if id(p) not in known) / 2**20


@torch.no_grad()
def main() -> None:
    ask = argparse.ArgumentParser()
    for name, default in (("rank", 16), ("side", 32), ("rounds", 3), ("threads", torch.get_num_threads())):
        ask.add_argument(f"--{name}", type=int, default=default)
    ask.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    asked = ask.parse_args()
    torch.set_num_threads(asked.threads)
    clock = process_time if asked.clock == "cpu" else perf_counter
    network = LDMUNet(LDMUNetConfig()).requires_grad_(False).eval()
    x, time = torch.randn(1, 4, asked.side, asked.side), torch.tensor([500.0])
    condition = LDMUNetCondition(context=torch.randn(1, 77, 768))
    kinds: dict[str, LDMUNet] = {"none": network}
    took = {"none": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        path = lora(network, asked.rank, Path(folder))
        for name, change in (("attached", beside), ("fused", fused)):
            began = clock()
            kinds[name] = put(network, path, change)
            took[name] = clock() - began
    calls: dict[str, list[float]] = {name: [] for name in kinds}
    for each in range(asked.rounds + 1):
        for name, made in kinds.items():
            began = clock()
            made(x, time, condition)
            if each:  # the first is for warming up
                calls[name].append(clock() - began)
    print("adapter    put on (s)  adds (MiB)  call (s)  of none")
    for name, made in kinds.items():
        ratio = median(a / b for a, b in zip(calls[name], calls["none"], strict=True))
        print(f"{name:<9}  {took[name]:10.2f}  {adds(made, network):10.1f}  {median(calls[name]):8.3f}  {ratio:7.3f}")
    print(f"\nrank {asked.rank}, {asked.side} x {asked.side} cells, {asked.threads} threads, {asked.clock} clock")
    print(describe())


if __name__ == "__main__":
    main()
