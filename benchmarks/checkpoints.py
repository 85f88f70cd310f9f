"""A classifier-free step of a full-size Stable Diffusion 1.5 U-Net at 512 x 512, beside diffusers: seconds, errors.

python benchmarks/checkpoints.py [--rounds 3] [--side 64] [--compiled] [--levels 4] [--dtype bfloat16]
    [--processor]

Both have the same random weights in bfloat16, run in channels_last, and take turns in one process. An error is that of
the output to diffusers' own in float32 from the same weights, relative to its norm.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

import torch
from torch import Tensor, nn

from machine import describe, installed
from unnoise.networks.ldm_unet import LDMUNet, LDMUNetCondition, LDMUNetConfig
from unnoise.nn.native import native
from unnoise.weights.maps.ldm_unet import diffusers

TOKENS = 77


@dataclass(frozen=True)
class Step:
    """What one step is given: the sample (2, 4, side, side), both branches' time and text."""

    x: Tensor
    time: Tensor
    context: Tensor

    def to(self, dtype: torch.dtype) -> "Step":
        return Step(self.x.to(dtype), self.time, self.context.to(dtype))


def ours(network: nn.Module, step: Step) -> Tensor:
    return network(step.x, step.time, LDMUNetCondition(context=step.context))


def theirs(network: nn.Module, step: Step) -> Tensor:
    return network(step.x, step.time, step.context, return_dict=False)[0]


def both(dtype: torch.dtype, levels: int) -> tuple[nn.Module, nn.Module]:
    """Our network and diffusers', over the same random weights: the first levels of Stable Diffusion 1.5."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    whole = LDMUNetConfig()
    config = replace(whole, widths=whole.widths[:levels], depths=whole.depths[:levels], heads=whole.heads[:levels])
    network = LDMUNet(config).to(dtype).eval().requires_grad_(False)
    with torch.device("meta"):
        peer = UNet2DConditionModel(
            cross_attention_dim=config.context,
            block_out_channels=config.widths,
            down_block_types=["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in config.depths],
            up_block_types=["CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in config.depths[::-1]],
        )
    peer.load_state_dict(diffusers(network.config).theirs(network.state_dict()), assign=True)
    return network, peer.eval().requires_grad_(False)


Clock = Callable[[], float]
Calls = dict[str, Callable[[], Tensor]]


def compare(name: str, calls: Calls, rounds: int, clock: Clock, expected: Tensor) -> None:
    """One row of the table: both in turn, each once for nothing."""
    took: dict[str, list[float]] = {side: [] for side in calls}
    wrong: dict[str, float] = {}
    for turn in range(rounds + 1):
        for side, call in calls.items():
            began = clock()
            out = call()
            spent = clock() - began
            wrong[side] = float((out.float() - expected).norm() / expected.norm())
            took[side] += [spent] if turn else []
    a, b = median(took["diffusers"]), median(took["unnoise"])
    ratio, least = median(t / o for t, o in zip(took["diffusers"], took["unnoise"], strict=True)), wrong["diffusers"]
    print(
        f"| {name} | {a:.2f} | {b:.2f} | {ratio:.2f} | {least:.5f} | {wrong['unnoise']:.5f} "
        f"| {wrong['unnoise'] / least:.2f} |",
        flush=True,
    )


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description="A full-size step beside diffusers'")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=64, help="of the latents")
    parser.add_argument("--levels", type=int, default=4, help="of the network, from the largest; few compile sooner")
    parser.add_argument("--compiled", action="store_true", help="compile both as well: minutes")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--processor", action="store_true", help="one thread's own time: for a machine that is busy")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # diffusers' imports warn of optional packages
    dtype, clock = getattr(torch, given.dtype), time.process_time if given.processor else time.perf_counter
    torch.set_num_threads(1 if given.processor else torch.get_num_threads())
    draw = torch.Generator().manual_seed(1)
    x, context = (torch.randn(2, *s, generator=draw) for s in ((4, given.side, given.side), (TOKENS, 768)))
    step = Step(x, torch.tensor([601.0, 601.0]), context).to(dtype)
    network, peer = both(dtype, given.levels)
    expected = theirs(peer.float(), step.to(torch.float32))
    network, peer = both(dtype, given.levels)
    peer = peer.to(memory_format=torch.channels_last)
    print(f"| {given.dtype} | diffusers, s | unnoise, s | times as fast | diffusers' error | ours | ours / theirs |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    calls = {"diffusers": lambda: theirs(peer, step), "unnoise": lambda: ours(network, step)}
    compare("eager", calls, given.rounds, clock, expected)
    if given.compiled:
        fast, quick = torch.compile(peer, dynamic=False), torch.compile(network, dynamic=False)
        calls = {"diffusers": lambda: theirs(fast, step), "unnoise": lambda: ours(quick, step)}
        compare("compiled", calls, given.rounds, clock, expected)
    computed = str(native("cpu", dtype)).removeprefix("torch.")
    print(
        f"\nMedians of {given.rounds} alternations, {torch.get_num_threads()} threads, "
        f"{'processor' if given.processor else 'wall'} time, {given.levels} levels, latents of "
        f"{given.side} x {given.side}; diffusers "
        f"{installed('diffusers')}. This machine is asked to compute {given.dtype} in {computed}. {describe()}"
    )


if __name__ == "__main__":
    main()
