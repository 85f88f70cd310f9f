"""Why `nn.attention.attend` leaves torch's fused kernel when it trains on a CPU: both, in turn.

python benchmarks/attention.py [--rounds 7]
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from machine import describe
from unnoise.nn.attention import attend

SHAPES = ((64, 6, 80, 64), (16, 6, 272, 64))


def fused(query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
    return scaled_dot_product_attention(query, key, value, attn_mask=seen)


def seconds(kernel: Callable[..., Tensor], tensors: tuple[Tensor, ...], seen: Tensor, train: bool) -> float:
    began = perf_counter()
    with torch.set_grad_enabled(train):
        out = kernel(*tensors, seen)
    if train:
        out.backward(torch.ones_like(out))
    return perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="Attention on a CPU")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print("| shape (B, H, N, D), bfloat16, masked | pass | fused, ms | ours, ms | fused / ours |")
    print("| --- | --- | --- | --- | --- |")
    for shape in SHAPES:
        tensors = tuple(torch.randn(shape, dtype=torch.bfloat16).requires_grad_() for _ in range(3))
        seen = torch.ones(shape[0], 1, 1, shape[2], dtype=torch.bool)
        for train in (True, False):
            found: dict[str, list[float]] = {"fused": [], "ours": []}
            for _ in range(rounds + 1):
                found["fused"].append(seconds(fused, tensors, seen, train))
                found["ours"].append(seconds(attend, tensors, seen, train))
            a, b = median(found["fused"][1:]) * 1e3, median(found["ours"][1:]) * 1e3
            name = "forward and backward" if train else "forward"
            print(f"| {shape} | {name} | {a:.1f} | {b:.1f} | {a / b:.2f} |", flush=True)
    print(f"\nMedians of {rounds} alternations, {torch.get_num_threads()} threads. {describe()}")


if __name__ == "__main__":
    main()
