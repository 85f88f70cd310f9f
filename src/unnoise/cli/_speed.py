"""How fast this machine multiplies: what a heavy model's seconds follow from where it has not been measured."""

import time
from collections.abc import Callable

import torch
from torch.nn.functional import conv2d, linear

from unnoise.nn.native import native

SECONDS = 0.4


@torch.no_grad()
def speed(device: str, dtype: str) -> float:
    """Operations a second, of convolutions and linear layers of common sizes in equal shares; a second or so."""
    kind = native(device, getattr(torch, dtype))
    x, weight = (torch.randn(*s, device=device, dtype=kind) for s in ((1, 320, 64, 64), (320, 320, 3, 3)))
    x = x.to(memory_format=torch.channels_last)
    tokens, matrix = (torch.randn(*s, device=device, dtype=kind) for s in ((2048, 640), (2560, 640)))
    curved = _rate(lambda: conv2d(x, weight, padding=1), 2 * 320 * 320 * 9 * 64 * 64, device)
    plain = _rate(lambda: linear(tokens, matrix), 2 * 2048 * 640 * 2560, device)
    return 2 / (1 / curved + 1 / plain)


def _rate(work: Callable[[], object], flops: int, device: str) -> float:
    took, times = 0.0, 0
    work()  # the first one is slow
    began = time.perf_counter()
    while took < SECONDS:
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times, took = times + 1, time.perf_counter() - began
    return flops * times / took
