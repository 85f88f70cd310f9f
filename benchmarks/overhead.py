"""What sampler, guidance and events cost over bare network calls, on the shipped model.

    python benchmarks/overhead.py [--rounds 15] [--threads 1] [--clock cpu]

A run's own network calls are recorded, then made again with nothing around them; run and bare calls go by turns in one
process. `steps` is from the first step's event to the last one's against the calls between: sampler, guidance and
events. `whole` is all of the task against all calls: reading the prompts, noise, decoding and the record as well. A
figure is the median of the rounds, the ratio the median of the rounds' ratios; on a busy machine `--threads 1 --clock
cpu` counts processor time.
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch

from machine import describe
from unnoise.catalogue import library
from unnoise.core.event import Progress
from unnoise.tasks.generate import Generate

REQUESTS: dict[str, dict[str, Any]] = {
    "heun, guidance 4 (the default)": {},
    "euler, guidance 4": {"sampler": "euler"},
    "euler, no guidance": {"sampler": "euler", "guidance": 1},
    "dpmpp_2m, rescaled": {"sampler": "dpmpp_2m", "guidance": "rescaled:scale=4"},
    "euler_ancestral, guidance 4": {"sampler": "euler_ancestral"},
    "euler, 128 x 128, guidance 4": {"sampler": "euler", "width": 128, "height": 128, "steps": 5},
}

Clock = Callable[[], float]


def run(task: Generate, shelf: Any, clock: Clock) -> tuple[float, float]:
    """Seconds from the first step's event to the last one's, and of all."""
    began, marks = clock(), list[float]()
    for event in task.run(shelf):
        if isinstance(event, Progress):
            marks.append(clock())
    return marks[-1] - marks[0], clock() - began


def recorded(task: Generate, shelf: Any) -> tuple[list[Any], int]:
    """The arguments of each network call of a run, and how many calls the first step made."""
    calls, first = list[Any](), 0
    network = shelf.model("emoji").denoiser.network
    hook = network.register_forward_pre_hook(lambda _, arguments: calls.append(arguments))
    for event in task.run(shelf):
        if isinstance(event, Progress) and not first:
            first = len(calls)
    hook.remove()
    return calls, first


def bare(network: Any, calls: list[Any], first: int, clock: Clock) -> tuple[float, float]:
    """The same calls alone: seconds of those after the first step, and of all."""
    began = clock()
    with torch.no_grad():
        for arguments in calls[:first]:
            network(*arguments)
        middle = clock()
        for arguments in calls[first:]:
            network(*arguments)
    ended = clock()
    return ended - middle, ended - began


def main() -> None:
    parser = argparse.ArgumentParser(description="What stands around the network")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options = parser.parse_args()
    clock = perf_counter if options.clock == "wall" else process_time
    torch.set_num_threads(options.threads)
    shelf = library(device="cpu")
    network = shelf.model("emoji").denoiser.network
    print("| request | calls | bare ms | steps ms | over bare | bare ms, all | whole ms | over bare |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, fields in REQUESTS.items():
        task = Generate(prompt="a red apple", seed=0, **fields)
        calls, first = recorded(task, shelf)
        ours, alone = list[tuple[float, float]](), list[tuple[float, float]]()
        for turn in range(options.rounds + 1):
            for which in (0, 1) if turn % 2 else (1, 0):
                found = run(task, shelf, clock) if which else bare(network, calls, first, clock)
                (ours if which else alone).append(found)
        row = f"| {name} | {len(calls)} "
        for k in (0, 1):
            over = median(a[k] / b[k] for a, b in zip(ours[1:], alone[1:], strict=True)) - 1
            row += f"| {1000 * median(b[k] for b in alone[1:]):.1f} | {1000 * median(a[k] for a in ours[1:]):.1f} "
            row += f"| {100 * over:+.1f} % "
        print(row + "|", flush=True)
    print(f"\n{options.rounds} rounds, {options.threads} threads, {options.clock} time. {describe()}")


if __name__ == "__main__":
    main()
