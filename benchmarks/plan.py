"""What `unnoise plan` says beforehand against what `unnoise generate` then takes, for ten requests.

    python benchmarks/plan.py [--rounds 3] [--threads 1] [--clock cpu]

Each round measures the machine's rates anew and runs every request in a process of its own. Time is that of making the
pictures, as the command reports it; memory is the process's largest resident set. The figures are medians of the
rounds, so that planned and measured ones saw the same machine: on a busy one, a single pair says little, and `--threads
1 --clock cpu` counts processor time, of runs in this process, for both.
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from statistics import median
from time import process_time
from typing import Any

import torch

from machine import describe
from unnoise.catalogue import library
from unnoise.cli import _rates
from unnoise.cli.main import main as unnoise
from unnoise.tasks.generate import Generate

REQUESTS = (
    "--steps 10 --sampler euler --guidance 4",
    "--steps 20 --sampler heun --guidance 4",
    "--steps 20 --sampler dpmpp_2m --guidance 1",
    "--steps 12 --sampler heun --guidance 1 --count 3",
    "--steps 15 --sampler euler_ancestral --guidance interval:scale=4,low=0.3,high=0.7",
    "--steps 8 --sampler dpmpp_2m --guidance 4 --width 128 --height 128",
    "--steps 10 --sampler ddim:eta=0.5 --guidance rescaled:scale=4 --width 128 --height 64 --count 2",
    "--steps 4 --sampler euler --guidance 4 --width 256 --height 256",
    "--steps 6 --sampler ddpm --guidance 1 --width 192 --height 128",
    "--steps 5 --sampler heun --guidance 3 --count 5",
)


WATCH = """
import json, pathlib, subprocess, sys, time
process, peak = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True), 0
while process.poll() is None:
    try:
        lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        break
    peak = max([peak, *(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))])
    time.sleep(0.005)
said = process.communicate()[0]
assert process.returncode == 0
print(said + json.dumps({"event": "peak", "bytes": 1024 * peak}))
"""
"""Runs a command, and samples the memory it takes, pages of mapped files aside, as a plan counts it."""


def planned(words: list[str], *more: str) -> dict[str, Any]:
    """What `unnoise plan` says, in this process."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = unnoise(["plan", "generate", *words, "--json", *more])
    if code:
        raise SystemExit(f"{' '.join(words)}: the plan ended with {code}")
    return json.loads(said.getvalue())


def made(words: list[str]) -> tuple[float, float]:
    """The seconds and the peak memory, in bytes, of `unnoise generate` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "unnoise", "generate", *words, "--out", folder, "--json", "--quiet"]
        done = subprocess.run([sys.executable, "-c", WATCH, *command], check=True, capture_output=True, text=True)
    *results, peak = map(json.loads, done.stdout.splitlines())
    return sum(result["seconds"] for result in results), peak["bytes"]


def processor_seconds(request: str, shelf: Any) -> float:
    """The processor's time for a request in this process."""
    words = dict(zip(*[iter(request.replace("--", "").split())] * 2, strict=True))
    fields: dict[str, Any] = {k: v if k in ("sampler", "guidance") else int(v) for k, v in words.items()}
    began = process_time()
    for _ in Generate(prompt="a red apple", seed=0, **fields).run(shelf):
        pass
    return process_time() - began


def once(request: str, measure: bool, shelf: Any) -> dict[str, float]:
    """One request planned and made, in this process where a library is given; memory always in one of its own."""
    words = ["a red apple", "--seed", "0", *request.split()]
    plan = planned(words, *(["--measure"] if measure else []))
    seconds, peak = made(words) if shelf is None or request not in PEAKS else (0.0, PEAKS[request])
    PEAKS[request] = peak
    return {
        "planned s": plan["seconds"],
        "measured s": seconds if shelf is None else processor_seconds(request, shelf),
        "planned MiB": plan["peak_bytes"] / 2**20,
        "measured MiB": peak / 2**20,
        "calls": plan["calls"],
    }


PEAKS: dict[str, float] = {}
"""Measured once where time is not measured with them."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Plans against runs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    shelf = None
    if options.clock == "cpu":
        torch.set_num_threads(options.threads)
        shelf = library(device="cpu")
        _rates.measure = partial(_rates.measure, clock="cpu")
        processor_seconds(REQUESTS[0], shelf)
    found: dict[str, list[dict[str, float]]] = {request: [] for request in REQUESTS}
    for _ in range(options.rounds):
        for place, request in enumerate(REQUESTS):
            found[request].append(once(request, place == 0, shelf))
            print(".", end="", file=sys.stderr, flush=True)
    print("\n| request | calls | planned s | measured s | ratio | planned MiB | measured MiB | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    worst = {"time": 0.0, "memory": 0.0}
    for request, rounds in found.items():
        value = {name: median(each[name] for each in rounds) for name in rounds[0]}
        times, sizes = value["planned s"] / value["measured s"], value["planned MiB"] / value["measured MiB"]
        worst = {"time": max(worst["time"], abs(times - 1)), "memory": max(worst["memory"], abs(sizes - 1))}
        row = f"{value['planned s']:.2f} | {value['measured s']:.2f} | {times:.2f}"
        print(f"| `{request}` | {value['calls']:.0f} | {row} | ", end="")
        print(f"{value['planned MiB']:.0f} | {value['measured MiB']:.0f} | {sizes:.2f} |")
    print(f"\nAt most {100 * worst['time']:.0f} % off in time and {100 * worst['memory']:.0f} % in memory.")
    print(f"Medians of {options.rounds} rounds, {options.threads} threads, {options.clock} time. {describe()}")


if __name__ == "__main__":
    main()
