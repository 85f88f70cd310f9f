"""One block of Stable Diffusion 3.5's and Flux's transformers at full width, beside diffusers', same weights, on a CPU.

python benchmarks/dit_blocks.py [--side 256] [--rounds 5] [--dtype float32 bfloat16]
"""

import argparse
from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

import torch
from diffusers.models.attention import JointTransformerBlock
from diffusers.models.transformers.transformer_flux import FluxSingleTransformerBlock, FluxTransformerBlock
from torch import Tensor, nn

from machine import describe, installed
from unnoise.networks.flux import DoubleBlock, FluxConfig, SingleBlock
from unnoise.networks.mmdit import JointBlock, MMDiTConfig
from unnoise.nn.native import native
from unnoise.nn.rope import axis_turns
from unnoise.weights.keymap import KeyMap
from unnoise.weights.maps import flux, mmdit

Pair = tuple[Callable[[], Tensor], Callable[[], Tensor]]
MEDIUM = MMDiTConfig(normed=True, dual=(0,))
LARGE = MMDiTConfig(width=2432, heads=38, depth=38, normed=True)
DEV = FluxConfig()


def filled(ours: nn.Module, theirs: nn.Module, keys: KeyMap, stems: tuple[str, str], dtype: torch.dtype) -> None:
    """The same random weights for both; theirs are views of ours."""
    ours.to_empty(device="cpu").to(dtype)
    torch.manual_seed(0)
    for parameter in ours.parameters():
        parameter.requires_grad_(False).normal_(std=0.02)
    named = keys.theirs({stems[0] + k: v for k, v in ours.state_dict().items()})
    theirs.load_state_dict({k.removeprefix(stems[1]): v for k, v in named.items()}, assign=True)


def joint(config: MMDiTConfig, cells: int, dtype: torch.dtype) -> Pair:
    with torch.device("meta"):
        ours = JointBlock(config, dual=0 in config.dual, last=False)
        heads, width = config.heads, config.width
        theirs = JointTransformerBlock(
            width, heads, width // heads, qk_norm="rms_norm", use_dual_attention=0 in config.dual
        )
    filled(ours, theirs, mmdit.diffusers(config), ("joint_blocks.0.", "transformer_blocks.0."), dtype)
    x, text, vector = tokens(cells, width, dtype), tokens(333, width, dtype), tokens(1, width, dtype)[:, 0]
    own = native("cpu", dtype)
    return (
        lambda: ours(text.to(own), x.to(own), vector.to(own), None)[1].to(dtype),
        lambda: theirs(hidden_states=x, encoder_hidden_states=text, temb=vector)[1],
    )


def double(cells: int, dtype: torch.dtype) -> Pair:
    with torch.device("meta"):
        ours, theirs = DoubleBlock(DEV), FluxTransformerBlock(DEV.width, DEV.heads, DEV.width // DEV.heads)
    filled(ours, theirs, flux.diffusers(DEV), ("double_blocks.0.", "transformer_blocks.0."), dtype)
    x, text, vector = tokens(cells, DEV.width, dtype), tokens(512, DEV.width, dtype), tokens(1, DEV.width, dtype)[:, 0]
    turns, places = turned(cells)
    own = native("cpu", dtype)
    return (
        lambda: ours(text.to(own), x.to(own), vector.to(own), turns, None)[1].to(dtype),
        lambda: theirs(hidden_states=x, encoder_hidden_states=text, temb=vector, image_rotary_emb=places)[1],
    )


def single(cells: int, dtype: torch.dtype) -> Pair:
    with torch.device("meta"):
        ours, theirs = SingleBlock(DEV), FluxSingleTransformerBlock(DEV.width, DEV.heads, DEV.width // DEV.heads)
    filled(ours, theirs, flux.diffusers(DEV), ("single_blocks.0.", "single_transformer_blocks.0."), dtype)
    x, text, vector = tokens(cells, DEV.width, dtype), tokens(512, DEV.width, dtype), tokens(1, DEV.width, dtype)[:, 0]
    turns, places = turned(cells)
    own, both = native("cpu", dtype), torch.cat([text, x], 1)
    return (
        lambda: ours(both.to(own), 512, vector.to(own), turns, None)[:, 512:].to(dtype),
        lambda: theirs(hidden_states=x, encoder_hidden_states=text, temb=vector, image_rotary_emb=places)[1],
    )


def turned(cells: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Places as ours and as theirs."""
    side = int(cells**0.5)
    turns = axis_turns((1, side, side), DEV.axes, 512, DEV.period, torch.device("cpu"))
    return turns, (turns[..., 0].repeat_interleave(2, 1), turns[..., 1].repeat_interleave(2, 1))


def tokens(count: int, width: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(1, count, width, generator=torch.Generator().manual_seed(count)).to(dtype)


def timed(run: Callable[[], Tensor]) -> float:
    """Seconds; of the processor's time where there is one thread, so that other work beside it does not count."""
    clock = process_time if torch.get_num_threads() == 1 else perf_counter
    began = clock()
    run()
    return clock() - began


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description="Transformer blocks beside diffusers'")
    parser.add_argument("--side", type=int, default=256, help="of the picture, in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", nargs="+", default=["float32", "bfloat16"])
    given = parser.parse_args()
    cells = (given.side // 16) ** 2
    blocks: dict[str, Callable[[torch.dtype], Any]] = {
        "SD 3.5 medium, dual": lambda dtype: joint(MEDIUM, cells, dtype),
        "SD 3.5 large": lambda dtype: joint(LARGE, cells, dtype),
        "Flux, two streams": lambda dtype: double(cells, dtype),
        "Flux, one stream": lambda dtype: single(cells, dtype),
    }
    print("| block | type | diffusers, ms | ours, ms | diffusers / ours | apart, of the largest value |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, make in blocks.items():
        for kind in given.dtype:
            ours, theirs = make(getattr(torch, kind))
            first, other = ours().float(), theirs().float()
            apart = float((first - other).abs().max() / other.abs().max())
            times = [(timed(theirs), timed(ours)) for _ in range(given.rounds)]
            a, b = (min(column) * 1e3 for column in zip(*times, strict=True))
            print(f"| {name} | {kind} | {a:.0f} | {b:.0f} | {a / b:.2f} | {apart:.1e} |", flush=True)
    print(f"\n{given.side} x {given.side} pixels, the best of {given.rounds} alternations, ", end="")
    print(f"{torch.get_num_threads()} threads. {describe()}, diffusers {installed('diffusers')}")


if __name__ == "__main__":
    main()
