"""How long one waits before anything happens: whole processes, from start to exit.

    python benchmarks/startup.py [--runs 7]

The budget is 0.3 s for `unnoise --help` and 0.1 s for `import unnoise`. The first run of each, which fills the disk
cache, is not counted.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from machine import describe


def commands(out: Path) -> dict[str, list[str]]:
    """What is measured, by the name it has in the table."""
    unnoise = shutil.which("unnoise", path=str(Path(sys.executable).parent)) or "unnoise"
    return {
        "python, nothing imported": [sys.executable, "-c", "pass"],
        "import unnoise": [sys.executable, "-c", "import unnoise"],
        "unnoise --help": [unnoise, "--help"],
        "import torch": [sys.executable, "-c", "import torch"],
        'unnoise generate "a red apple"': [unnoise, "generate", "a red apple", "--out", str(out), "--quiet"],
    }


def seconds(command: list[str], runs: int) -> list[float]:
    """The wall-clock time of each of these runs, after one that is not counted."""
    found: list[float] = []
    for _ in range(runs + 1):
        start = perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        found.append(perf_counter() - start)
    return found[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description="Start-up times")
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    print("| process | median s | min s | max s |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name, command in commands(Path(folder)).items():
            found = seconds(command, runs)
            print(f"| `{name}` | {median(found):.2f} | {min(found):.2f} | {max(found):.2f} |", flush=True)
    print(f"\n{runs} runs each. {describe()}")


if __name__ == "__main__":
    main()
