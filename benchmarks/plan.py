"""What `unnoise plan` says beforehand against what `unnoise generate` then takes, for ten requests.

    python benchmarks/plan.py [--rounds 3] [--threads 1]

Each round measures the machine's rates anew and runs every request in a process of its own. Time is that of making the
pictures, as the command reports it; memory is the process's largest resident set. The figures are medians of the
rounds, so that planned and measured ones saw the same machine: on a busy one, a single pair says little.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from statistics import median
from typing import Any

from machine import describe

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


def run(words: list[str], environment: dict[str, str]) -> tuple[list[dict[str, Any]], int]:
    """What a command says in JSON, and the largest resident set of its process in bytes."""
    command = [sys.executable, "-m", "unnoise", *words, "--json", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        said = [json.loads(line) for line in process.stdout]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    return said, usage.ru_maxrss * 1024


def once(request: str, measure: bool, environment: dict[str, str]) -> dict[str, float]:
    """One request planned and made."""
    words = ["a red apple", "--seed", "0", *request.split()]
    (plan,), _ = run(["plan", "generate", *words, *(["--measure"] if measure else [])], environment)
    with tempfile.TemporaryDirectory() as folder:
        made, peak = run(["generate", *words, "--out", folder], environment)
    return {
        "planned s": plan["seconds"],
        "measured s": sum(event["seconds"] for event in made),
        "planned MiB": plan["peak_bytes"] / 2**20,
        "measured MiB": peak / 2**20,
        "calls": plan["calls"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Plans against runs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
    found: dict[str, list[dict[str, float]]] = {request: [] for request in REQUESTS}
    for _ in range(options.rounds):
        for place, request in enumerate(REQUESTS):
            found[request].append(once(request, place == 0, environment))
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
    print(f"Medians of {options.rounds} rounds, {options.threads} threads. {describe()}")


if __name__ == "__main__":
    main()
