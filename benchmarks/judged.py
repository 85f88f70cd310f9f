"""Two models before the judge, thing by thing: how often each is right at first, and how much more often the first is.

    python benchmarks/judged.py FOLDER [FOLDER ...] --against FOLDER [FOLDER ...]

The folders are those that `unnoise evaluate MODEL ... --measures retrieval --out FOLDER` wrote, pair by pair of the
same words and seeds. What is resampled for the intervals are things, each with all its pictures and both models: so
the difference is not blurred by some things being harder than others, for both.
"""

import argparse
import json
from pathlib import Path

import torch

from unnoise.evaluate.bootstrap import Estimate, averaged

ROUNDS = 10_000


def found(folder: Path) -> dict[str, bool]:
    """Trained picture -> whether the judge told it right at first."""
    figures = json.loads((folder / "figures.json").read_text())["figures"]
    told = next(f["found"] for f in figures if "top-1" in f["title"] and "trained" in f["title"])
    return {name: place < 1 for name, place in zip(told["pictures"], told["place"], strict=True)}


def shown(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description="Two models before the judge, thing by thing")
    parser.add_argument("first", type=Path, nargs="+")
    parser.add_argument("--against", type=Path, nargs="+", required=True)
    asked = parser.parse_args()
    rows: list[tuple[str, bool, bool]] = []
    for ours, theirs in zip(map(found, asked.first), map(found, asked.against), strict=True):
        if ours.keys() != theirs.keys():
            raise SystemExit("the two were asked for other things: evaluate both with the same options and seeds")
        rows += [(name, ours[name], theirs[name]) for name in ours]
    things = [name for name, *_ in rows]
    first, second = (torch.tensor([row[k] for row in rows], dtype=torch.float64) for k in (1, 2))
    for title, values in (("first", first), ("second", second), ("first - second", first - second)):
        print(f"{title:<15} {shown(averaged(values, ROUNDS, things=things))}")
    print(
        f"{len(rows)} pictures of {len(set(things))} things; right in one alone: {int((first > second).sum())}", end=""
    )
    print(f" of the first's, {int((second > first).sum())} of the second's")


if __name__ == "__main__":
    main()
