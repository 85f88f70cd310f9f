"""How much memory a run takes, by the number of pictures: the largest resident set of whole processes.

python benchmarks/memory.py [--counts 1 4 16]
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import describe

WATCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, capture_output=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak(command: list[str]) -> float:
    """The largest resident set of a command, in MiB, watched by a process of its own."""
    done = subprocess.run([sys.executable, "-c", WATCH, *command], check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory by the number of pictures")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 4, 16])
    unnoise = shutil.which("unnoise", path=str(Path(sys.executable).parent)) or "unnoise"
    print("| `unnoise generate --count` | largest resident set, MiB |")
    print("| --- | --- |")
    for count in parser.parse_args().counts:
        with tempfile.TemporaryDirectory() as folder:
            command = [
                unnoise,
                "generate",
                "a red apple",
                "--seed",
                "0",
                "--count",
                str(count),
                "--out",
                folder,
                "--quiet",
            ]
            print(f"| {count} | {peak(command):.0f} |", flush=True)
    print(f"\n{describe()}")


if __name__ == "__main__":
    main()
