"""Kills a training at one file operation after another, resumes it, and compares it with a run that nobody killed.

    python kills.py FOLDER STRIDE [FIRST]

Each attempt is a forked child that goes on from one and the same snapshot and kills itself with SIGKILL: just before
the k-th file operation in the run's folder (torch is imported once, so an attempt takes a moment), in the middle of a
file that safetensors writes, or in the middle of a step. Prints one JSON object a line, and "points" at the end.
"""

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from train import tiny
from unnoise.train import optimizers
from unnoise.train.fit import fit
from unnoise.train.log import read
from unnoise.train.run import Every
from unnoise.train.snapshot import every
from unnoise.weights import store

OPERATIONS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"}
STEPS = 6


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def train(out: Path, resume: bool, steps: int = STEPS) -> None:
    kept = Every(report=1, snapshot=2, preview=2, heldout=2)
    for _ in fit(tiny.run(steps=steps, every=kept), out, resume=resume):
        pass


def forked(work: Callable[[], None]) -> int:
    """The status of a child that does this work: 0, or minus the signal that ended it."""
    if (child := os.fork()) == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def at_operation(number: int, out: Path, count: Path | None = None) -> Callable[[], None]:
    """Die just before the file operation of this number; or write how many there were."""

    def work() -> None:
        seen = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            path = str(arguments[0]) if event in OPERATIONS and arguments else ""
            if path.startswith(str(out)) or (path and event in ("os.remove", "os.rmdir") and not path.startswith("/")):
                seen += 1
                if seen == number:
                    die()

        sys.addaudithook(hook)
        train(out, resume=True)
        if count:
            count.write_text(str(seen))

    return work


def in_the_middle(name: str, out: Path) -> Callable[[], None]:
    """Die with half of the file of this name on disk; of the second such file, for the first is the resumed one."""

    def work() -> None:
        whole, stage, target, seen = store.save_file, store.staged, "", 0

        def staged(path: Path) -> AbstractContextManager[Path]:
            nonlocal target
            target = str(path)
            return stage(path)

        def half(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
            nonlocal seen
            whole(tensors, path, metadata)
            if name in target:
                seen += 1
                if seen == 2:
                    os.truncate(path, path.stat().st_size // 2)
                    die()

        store.save_file, store.staged = half, staged
        train(out, resume=True)

    return work


def in_a_step(out: Path) -> Callable[[], None]:
    """Die when half of the optimizers have stepped."""

    def work() -> None:
        whole, seen = optimizers.Muon.step, 0

        def step(self: object, *arguments: object) -> object:
            nonlocal seen
            seen += 1
            if seen == 2:
                die()
            return whole(self, *arguments)

        optimizers.Muon.step = step
        train(out, resume=True)

    return work


def left(out: Path) -> dict[str, object]:
    """All that a run leaves, as far as it must be the same."""
    newest = every(out / "snapshots")[-1]  # an older one too many goes with the next that is written
    timed = ("speed", "seconds", "left")
    lines = [{k: v for k, v in line.items() if k not in timed} for line in read(out / "log.jsonl")]
    files = {p.name: store.read_tensors(p) for p in [*out.glob("averages/*"), out / "model.safetensors"]}
    previews = {p.name: p.read_bytes() for p in out.glob("previews/*")}
    hidden = [str(p) for p in out.rglob(".*.tmp")]
    return {
        "step": newest.step,
        "state": newest.tensors(),
        "lines": lines,
        "files": files,
        "previews": previews,
        "hidden": hidden,
    }


def same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return one == other


def attempt(name: str, start: Path, work: Callable[[Path], Callable[[], None]], straight: dict[str, object]) -> None:
    out = start.parent / "attempt"
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(start, out)
    ended = forked(work(out))
    newest = every(out / "snapshots")[-1]
    loadable = bool(newest.tensors())
    resumed = forked(lambda: train(out, resume=True))
    found = left(out)
    differs = [k for k in straight if not same(found[k], straight[k])]
    about = {"point": name, "ended": ended, "from": newest.step, "loadable": loadable, "resumed": resumed}
    print(json.dumps({**about, "differs": differs}), flush=True)


def main() -> None:
    folder, stride, first = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1
    torch.set_num_threads(1)
    start, whole, count = folder / "start", folder / "straight", folder / "count"
    stopped = iter([False, False, True])
    run = tiny.run(steps=STEPS, every=Every(report=1, snapshot=2, preview=2, heldout=2))
    for _ in fit(run, start, stop=lambda: next(stopped)):
        pass
    shutil.copytree(start, whole)
    assert forked(at_operation(0, whole, count)) == 0
    straight = left(whole)
    for number in range(first, int(count.read_text()) + 1, stride):
        attempt(f"operation {number}", start, lambda out, number=number: at_operation(number, out), straight)
    for name in ("state", "averages", "model"):
        attempt(f"half of {name}", start, lambda out, name=name: in_the_middle(name, out), straight)
    attempt("half of a step", start, in_a_step, straight)
    print(json.dumps({"points": int(count.read_text())}))


if __name__ == "__main__":
    main()
