"""What sampler, guidance and events cost over bare network calls, on the shipped model.

    python benchmarks/overhead.py [--rounds 5] [--threads 1] [--clock cpu]

A run's own network calls are recorded. Then it runs again, one step at a time, and after each step that step's calls
are made with nothing around them, so that both see the same machine. `steps` is the median of the steps' ratios:
sampler, guidance and events. `still` is the same by another way, which a busy machine blurs less: a step's time with a
network that gives its input back at once, over the bare calls' time. `whole` adds to that what a picture takes beside
its steps: reading the prompts, the first noise, decoding and the record, as a share of all its calls, the median of the
rounds. On a busy machine `--threads 1 --clock cpu` counts processor time.
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
    "the default, dpmpp_2m, guidance 4": {},
    "euler, guidance 4": {"sampler": "euler"},
    "euler, no guidance": {"sampler": "euler", "guidance": 1},
    "dpmpp_2m, rescaled": {"sampler": "dpmpp_2m", "guidance": "rescaled:scale=4"},
    "euler_ancestral, guidance 4": {"sampler": "euler_ancestral"},
    "euler, 256 x 256, guidance 4": {"sampler": "euler", "width": 256, "height": 256, "steps": 5},
}

Clock = Callable[[], float]


def recorded(task: Generate, shelf: Any) -> list[list[Any]]:
    """The arguments of each network call of a run, by its steps."""
    steps, calls = list[list[Any]](), list[Any]()
    hook = shelf.model("emoji").denoiser.network.register_forward_pre_hook(lambda _, given: calls.append(given))
    for event in task.run(shelf):
        if isinstance(event, Progress):
            steps.append(list(calls))
            calls.clear()
    hook.remove()
    return steps


def bare(network: Any, calls: list[Any], clock: Clock) -> float:
    """Seconds of these calls alone."""
    began = clock()
    with torch.no_grad():
        for arguments in calls:
            network(*arguments)
    return clock() - began


def compared(
    task: Generate, shelf: Any, steps: list[list[Any]], clock: Clock
) -> tuple[list[float], list[float], float]:
    """Seconds of each step and of its bare calls, and of what is beside the steps."""
    network = shelf.model("emoji").denoiser.network
    ours, alone = list[float](), list[float]()
    mark = clock()
    for event in task.run(shelf):
        ours.append(clock() - mark)
        if isinstance(event, Progress):
            alone.append(bare(network, steps[len(alone)], clock))
        mark = clock()
    last = ours.pop()  # decoding and the record
    first = ours.pop(0) - alone.pop(0)  # reading the prompts and the first noise, with the first step
    return ours, alone, last + first


def still(task: Generate, shelf: Any, clock: Clock) -> list[float]:
    """Seconds of each step but the first where the network costs nothing."""
    network, found = shelf.model("emoji").denoiser.network, list[float]()
    forward = network.forward
    network.forward = lambda x, *_: x
    try:
        mark = clock()
        for event in task.run(shelf):
            if isinstance(event, Progress):
                found.append(clock() - mark)
            mark = clock()
    finally:
        network.forward = forward
    return found[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description="What stands around the network")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options = parser.parse_args()
    clock = perf_counter if options.clock == "wall" else process_time
    torch.set_num_threads(options.threads)
    shelf = library(device="cpu")
    print(
        "| request | calls | bare ms a step | with all ms | steps over bare | still ms | over bare | whole over bare |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, fields in REQUESTS.items():
        task = Generate(prompt="a red apple", seed=0, **fields)
        steps = recorded(task, shelf)
        found = [compared(task, shelf, steps, clock) for _ in range(options.rounds)]
        ours, alone = ([t for one in found for t in one[k]] for k in (0, 1))
        ratio = median(a / b for a, b in zip(ours, alone, strict=True))
        beside = median(rest / (sum(alone) * len(steps) / len(alone)) for _, alone, rest in found)
        row = f"| {name} | {sum(map(len, steps))} | {1000 * median(alone):.2f} | {1000 * median(ours):.2f} "
        around = median(t for _ in range(options.rounds) for t in still(task, shelf, clock))
        row += f"| {100 * (ratio - 1):+.2f} % | {1000 * around:.2f} | {100 * around / median(alone):.2f} % "
        print(f"{row}| {100 * (around / median(alone) + beside):+.2f} % |", flush=True)
    print(f"\n{options.rounds} rounds, {options.threads} threads, {options.clock} time. {describe()}")


if __name__ == "__main__":
    main()
