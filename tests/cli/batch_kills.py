"""Kills a batch, goes on with it, and looks at what is in its folder.

    python batch_kills.py REQUESTS FOLDER operations STRIDE    a folder of its own for each kill, just before one file
                                                               operation after another
    python batch_kills.py REQUESTS FOLDER times COUNT SEED     one folder, killed at random moments

Each attempt is a forked child (torch is imported once) that ends by SIGKILL. Prints one JSON object a line.
"""

import contextlib
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from unnoise.cli.main import main as unnoise

OPERATIONS = {"open", "os.mkdir", "os.rename", "os.remove"}


def forked(work: Callable[[], int], wait: Callable[[], object] | None = None) -> int:
    """The exit code of a child that does this work, or minus the signal that ended it; killed after the wait."""
    if (child := os.fork()) == 0:
        try:
            with contextlib.redirect_stdout(None):
                os._exit(work())
        except BaseException:
            traceback.print_exc()
            os._exit(99)
    if wait is not None:
        wait()
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def batch(requests: str, out: Path) -> int:
    return unnoise(["batch", requests, "--out", str(out), "--quiet"])


def at_operation(number: int, out: Path, count: Path) -> None:
    """Die just before the file operation of this number in the folder; or write how many there were."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in OPERATIONS and arguments and str(arguments[0]).startswith(str(out)):
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    batch_code[0] = batch(requests, out)
    count.write_text(str(seen))


batch_code = [0]
requests = sys.argv[1]


def pictures(out: Path) -> list[str]:
    return sorted(p.name for p in out.glob("*.png"))


def operations(folder: Path, stride: int) -> None:
    count = folder / "count"

    def killed(number: int, out: Path) -> int:
        def work() -> int:
            at_operation(number, out, count)
            return batch_code[0]

        return forked(work)

    killed(0, folder / "straight")
    points = int(count.read_text())
    for number in range(1, points + 1, stride):
        out = folder / f"{number}"
        ended, left = killed(number, out), len(pictures(out))
        resumed = forked(lambda out=out: batch(requests, out))
        print(json.dumps({"point": number, "ended": ended, "left": left, "resumed": resumed, "out": str(out)}))
    print(json.dumps({"points": points, "out": str(folder / "straight")}), flush=True)


def times(folder: Path, count: int, seed: int) -> None:
    draw, out = random.Random(seed), folder / "killed"
    for number in range(count):
        begun = len(pictures(out))

        def wait(more: int = draw.randrange(10), late: float = draw.uniform(0, 0.02), begun: int = begun) -> None:
            """Until that many more pictures are there, and a moment longer."""
            limit = time.monotonic() + 60
            while len(pictures(out)) < begun + more and time.monotonic() < limit:
                time.sleep(0.001)
            time.sleep(late)

        ended = forked(lambda: batch(requests, out), wait)
        print(json.dumps({"kill": number, "ended": ended, "left": len(pictures(out))}), flush=True)
    resumed = forked(lambda: batch(requests, out))
    straight = forked(lambda: batch(requests, folder / "straight"))
    print(json.dumps({"resumed": resumed, "straight": straight}), flush=True)


def main() -> None:
    torch.set_num_threads(1)
    folder, mode = Path(sys.argv[2]), sys.argv[3]
    with contextlib.redirect_stdout(None):
        batch(requests, folder / "first")  # every module is loaded here, once
    if mode == "operations":
        operations(folder, int(sys.argv[4]))
    else:
        times(folder, int(sys.argv[4]), int(sys.argv[5]))


if __name__ == "__main__":
    main()
