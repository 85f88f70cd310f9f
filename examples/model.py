"""From a set of emoji to all that the package ships, in a given time: codec, model, upscaler, judge and figures.

    python examples/model.py DATA --minutes 25 [--out runs/model] [--sizes small|large|toy] [--count 256]

Each stage is a command that can be typed by hand, and is printed before it runs. A stage that is done is not done
again, one that was stopped goes on: the same line finishes what was begun. `small` is the recipes' own size, for two
CPU cores and hours; `large` compiles, takes large batches and a deeper network, for an accelerator and minutes; `toy`
is so small that all of it takes a few minutes anywhere, to see that the chain holds before time is spent on it.

In the end OUT/packed holds the files in parts of at most 16 MiB with SHA256SUMS; `cat emoji.safetensors.part-* >
emoji.safetensors` puts one together.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unnoise.recipes.emoji import Emoji

PART = 16 * 2**20

SHARES = {"emoji_codec": 0.15, "emoji": 0.6, "upscale_x4": 0.15, "emoji_judge": 0.1}
"""What each training gets of the time."""

NAMES = {"emoji": "emoji", "upscale_x4": "emoji_x4", "emoji_judge": "emoji_judge"}
"""What each one's file is called in the package; the codec goes with the model."""

SIZES = {
    "small": {"emoji": "--batch 64 --pieces 4"},
    "large": {
        "emoji_codec": "--crop 128 --batch 128 --compiled",
        "emoji": "--depth 10 --scenes 300000 --batch 512 --compiled",
        "upscale_x4": "--batch 128 --compiled",
        "emoji_judge": "--batch 512 --compiled",
    },
    "toy": {
        "emoji_codec": "--widths 8 12 --crop 32 --scenes 256 --batch 8",
        "emoji": "--width 64 --depth 1 --scenes 256 --batch 8",
        "upscale_x4": "--width 8 --blocks 1 --batch 4",
        "emoji_judge": "--batch 16",
    },
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was asked for."""

    data: Path
    out: Path
    minutes: float
    sizes: str

    def folder(self, recipe: str) -> Path:
        return self.out / recipe

    def options(self, recipe: str) -> Iterator[str]:
        yield from ("--data", str(self.data), "--minutes", f"{self.minutes * SHARES[recipe]:g}")
        if recipe == "emoji":
            yield from ("--codec", str(self.folder("emoji_codec") / "model.safetensors"))
            yield from ("--latents", str(self.out / "latents"))
        yield from SIZES[self.sizes].get(recipe, "").split()


def unnoise(*args: str) -> None:
    """Run a command, shown before it runs; end with it where it fails."""
    print("unnoise", *args, flush=True)
    if code := subprocess.run([sys.executable, "-m", "unnoise", *args], check=False).returncode:
        raise SystemExit(code)


def trained(plan: Plan, recipe: str) -> None:
    """A stage, unless it is done: a run that has taken all its steps."""
    out = plan.folder(recipe)
    snapshots, model = sorted((out / "snapshots").glob("step-*/manifest.json")), out / "model.safetensors"
    if snapshots and model.exists() and model.stat().st_mtime >= snapshots[-1].stat().st_mtime:
        told = json.loads(snapshots[-1].read_text())
        if int(told["step"]) >= int(told["facts"]["steps"]):
            return
    unnoise("train", recipe, *plan.options(recipe), "--out", str(out), *(["--resume"] if snapshots else []))


def packed(plan: Plan) -> list[Path]:
    """The files in parts that are small enough to move, and their sums."""
    folder = plan.out / "packed"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    sums: list[str] = []
    for recipe, name in NAMES.items():
        content = (plan.folder(recipe) / "model.safetensors").read_bytes()
        for number, first in enumerate(range(0, len(content), PART)):
            part = folder / f"{name}.safetensors.part-{number:02d}"
            part.write_bytes(content[first : first + PART])
            sums.append(f"{hashlib.sha256(part.read_bytes()).hexdigest()}  {part.name}\n")
    (folder / "SHA256SUMS").write_text("".join(sums))
    return sorted(folder.iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description="Everything that is shipped, from pictures alone")
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, required=True, help="of training, for all stages together")
    parser.add_argument("--out", type=Path, default=Path("runs/model"))
    parser.add_argument("--sizes", choices=SIZES, default="small")
    parser.add_argument("--count", type=int, default=256, help="pictures that the figures are of")
    asked = parser.parse_args()
    plan = Plan(data=asked.data, out=asked.out, minutes=asked.minutes, sizes=asked.sizes)
    for recipe in SHARES:
        trained(plan, recipe)
    model = str(plan.folder("emoji") / "model.safetensors")
    taught = [f"style={style}" for style in Emoji.styles], [f"group={group}" for group in Emoji.leave]
    figures = ["--count", str(asked.count), "--out", str(plan.out / "evaluation")]
    unnoise("evaluate", model, "--data", str(plan.data), "--only", *taught[0], "--leave", *taught[1], *figures)
    for path in packed(plan):
        print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
