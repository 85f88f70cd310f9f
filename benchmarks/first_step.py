"""From the start of a process to the end of the first step: a saved pipeline of Stable Diffusion 1.5's size, beside
diffusers in both layouts of memory, with what memory each takes; and whether the foretold memory is what is taken.

python benchmarks/first_step.py FOLDER [--dtype bfloat16] [--side 512] [--rounds 3] [--cold]
    [--peers plain channels_last]

FOLDER keeps the pipeline of random weights, which is made there once. Processes take turns. Memory is sampled: the
anonymous pages (what cannot be dropped and read again), and the resident set, mapped files included. With --cold the
files are dropped from the page cache before each.
"""

import argparse
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from machine import describe, installed
from pipeline import saved

STEPPED = b'"step": 1,'
"""What either says at the end of its first step."""

PEER = """
import sys, warnings
warnings.simplefilter("ignore")
import torch
from diffusers import StableDiffusionPipeline
folder, kind, side, layout = sys.argv[1:]
pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=getattr(torch, kind), local_files_only=True)
if layout == "channels_last":
    pipe.unet.to(memory_format=torch.channels_last)
def end(pipe, step, time, kept):
    print('"step": %d,' % (step + 1), flush=True)
    return kept
pipe("a red fox", width=int(side), height=int(side), num_inference_steps=20, callback_on_step_end=end)
"""


def watched(command: list[str]) -> tuple[float, float, float]:
    """Seconds until a process says that its first step is done, where it is ended, and the most MiB of anonymous and of
    resident memory until then."""
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout is not None
        anonymous = resident = 0
        said = b" "
        while said and STEPPED not in said:
            lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
            found = dict(line.split(":", 1) for line in lines if line.startswith(("RssAnon", "VmRSS")))
            anonymous = max(anonymous, int(found.get("RssAnon", "0").split()[0]))
            resident = max(resident, int(found.get("VmRSS", "0").split()[0]))
            if select.select([process.stdout], [], [], 0.01)[0]:
                said = process.stdout.readline()
        took = time.perf_counter() - began
        process.kill()
        process.communicate()
        if not said:
            errors.seek(0)
            raise SystemExit(f"{' '.join(command)[:200]}: {errors.read().decode()[-500:]}")
    return took, anonymous / 1024, resident / 1024


def drop(folder: Path) -> None:
    """Let the system forget the files' pages."""
    for file in folder.rglob("*"):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def main() -> None:
    parser = argparse.ArgumentParser(description="To the end of the first step")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float32", "float16"))
    parser.add_argument("--stored", choices=("bfloat16", "float32", "float16"), help="as --dtype by default")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--memory", default="", help="what unnoise may take")
    layouts = ("plain", "channels_last")
    parser.add_argument(
        "--peers", nargs="*", default=layouts, choices=layouts, help="diffusers' layouts; none: ours alone"
    )
    given = parser.parse_args()
    stored = given.stored or given.dtype
    folder = saved(given.folder / stored, getattr(torch, stored))
    unnoise = shutil.which("unnoise", path=str(Path(sys.executable).parent)) or "unnoise"
    size = ["--model", str(folder), "--width", str(given.side), "--height", str(given.side), "--steps", "20"]
    size += ["--dtype", given.dtype, "--device", "cpu", *(["--memory", given.memory] if given.memory else [])]
    took: dict[str, list[tuple[float, float, float]]] = {}
    with tempfile.TemporaryDirectory() as made:
        sides = {"unnoise": [unnoise, "generate", "a red fox", *size, "--out", made, "--json"]}
        for layout in given.peers:
            asked = [str(folder), given.dtype, str(given.side), layout]
            sides[f"diffusers, {layout}"] = [sys.executable, "-c", PEER, *asked]
        for _ in range(given.rounds):
            for side, command in sides.items():
                if given.cold:
                    drop(folder)
                took.setdefault(side, []).append(watched(command))
    print("| process | median s | anonymous MiB | resident MiB |")
    print("| --- | --- | --- | --- |")
    for side, runs in took.items():
        seconds, anonymous, resident = (median(values) for values in zip(*runs, strict=True))
        print(f"| {side} | {seconds:.2f} | {anonymous:.0f} | {resident:.0f} |", flush=True)
    plan = subprocess.run([unnoise, "plan", "generate", "a red fox", *size, "--json"], capture_output=True, text=True)
    foretold = json.loads(plan.stdout)["peak_bytes"] / 2**20 if plan.returncode == 0 else float("nan")
    print(f"\n`unnoise plan` foretold {foretold:.0f} MiB for the whole run.")
    cache = "dropped from the page cache before each" if given.cold else "in the page cache"
    print(
        f"Stored in {stored}, run in {given.dtype}, {given.side} px, {given.rounds} rounds in turn, files {cache}; ",
        end="",
    )
    print(f"diffusers {installed('diffusers')}. {describe()}")


if __name__ == "__main__":
    main()
