"""Two models by one figure, picture by picture: what each reaches, and by how much the first is ahead.

    python benchmarks/paired.py FOLDER [FOLDER ...] --against FOLDER [FOLDER ...] [--figure "top-1 of 100 trained"]

The folders are those that `unnoise evaluate MODEL ... --out FOLDER` wrote, pair by pair of the same words and seeds;
the figure is one that keeps a value for each picture, named by a part of its title: those of `retrieval` (1 where the
judge told it right, else 0) and of `rate` (decibels). What is resampled for the intervals are things, each with all its
pictures and both models: so the difference is not blurred by some things being harder than others, for both.
"""

import argparse
import json
import re
from pathlib import Path

import torch

from unnoise.evaluate.bootstrap import Estimate, averaged

ROUNDS = 10_000


def found(folder: Path, figure: str) -> dict[str, float]:
    """Picture -> its value."""
    try:
        figures = json.loads((folder / "figures.json").read_text())["figures"]
    except (OSError, ValueError, KeyError):
        raise SystemExit(f"{folder} holds no figures: 'unnoise evaluate --out' makes such a folder") from None
    named = [f for f in figures if figure in f["title"] and {"place", "values"} & f["found"].keys()]
    if len(named) != 1:
        titles = "; ".join(f["title"] for f in figures if "pictures" in f["found"])
        raise SystemExit(f"{folder}: {len(named)} figures are called '{figure}'; there are: {titles}")
    told, top = named[0]["found"], re.search(r"top-(\d+)", named[0]["title"])
    values = told.get("values") or [float(place < int(top[1])) for place in told["place"] if top]
    return dict(zip(told["pictures"], values, strict=True))


def shown(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description="Two models by one figure, picture by picture")
    parser.add_argument("first", type=Path, nargs="+", help="the first model's folders")
    parser.add_argument("--against", type=Path, nargs="+", required=True, help="the second's, in the same order")
    parser.add_argument("--figure", default="top-1 of 100 trained", help="a part of its title")
    asked = parser.parse_args()
    if len(asked.first) != len(asked.against):
        raise SystemExit(f"{len(asked.first)} folders against {len(asked.against)}: give as many of each")
    rows: list[tuple[str, float, float]] = []
    for one, other in zip(asked.first, asked.against, strict=True):
        ours, theirs = found(one, asked.figure), found(other, asked.figure)
        if ours.keys() != theirs.keys():
            raise SystemExit("the two were asked for other things: evaluate both with the same options and seeds")
        rows += [(name, ours[name], theirs[name]) for name in ours]
    things = [name for name, *_ in rows]
    first, second = (torch.tensor([row[k] for row in rows], dtype=torch.float64) for k in (1, 2))
    for title, values in (("first", first), ("second", second), ("first - second", first - second)):
        print(f"{title:<15} {shown(averaged(values, ROUNDS, things=things))}")
    ahead = f"{int((first > second).sum())} in the first's, {int((second > first).sum())} in the second's"
    print(f"{len(rows)} pictures of {len(set(things))} things; better: {ahead}")


if __name__ == "__main__":
    main()
