"""The choices of the recipe `emoji`, each changed alone and trained for the same time: how well it removes noise then.

    python benchmarks/choices.py DATA [--minutes 5] [--width 192] [--depth 4] [--batch 32] [--latents DIR]
        [--trunk MODEL] [--only WORDS]

All learn from the same scenes in the shipped codec's latents, from the same seed, one after the other, each for as
many steps as take that long with the rate brought down at the end. The figures are the mean square error of noise -
data at fixed noise and even times of a band, of weights averaged along the last steps, on scenes that it learns from,
and on emoji whose names it never saw; lower is better. What a picture is of is decided near 1, the noise, and its
detail last. Nearer to the data than 0.1 there is hardly noise left to tell, and a guess of the data counts beyond
measure. Minutes tell what learns fast, not what is best in the end; a network smaller than the recipe's gets further
in them.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from machine import describe
from unnoise.core.denoiser import Denoiser
from unnoise.core.model import Wish
from unnoise.core.prediction import Flow
from unnoise.evaluate.flow import encoded
from unnoise.evaluate.heldout import even, heldout
from unnoise.media.image import from_bytes
from unnoise.networks.dit import DiT
from unnoise.recipes._emoji import PATCH, scenes_of
from unnoise.recipes._emoji import run as run_of
from unnoise.recipes._heldout import held_out
from unnoise.recipes.emoji import Emoji
from unnoise.train.pace import paced
from unnoise.train.run import Run
from unnoise.train.subject import Subject
from unnoise.train.subjects.diffusion import Diffusion
from unnoise.train.times import LogitNormal
from unnoise.train.trainer import Trainer

USUAL: Mapping[str, Any] = {
    "leave": ("Flags", "Symbols", "People & Body"),
    "scenes": 32_000,
    "alone": 0.6,
    "rate": 1.5e-3,
    "muon": 1.5e-3,
}
PART = 16
SEEN = 128
BANDS = ((0.1, 0.4), (0.4, 0.7), (0.7, 1.0))
WIDTH = 0.1
"""The average's; a run of minutes has too few steps for a narrower one."""


@dataclass(frozen=True)
class Choice:
    """One change of the recipe.

    Args:
        said: what it is.
        fields: of the recipe, those that differ.
        change: of the run, what no field says.
    """

    said: str
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    change: Callable[[Run], Run] = lambda run: run


def predicting_flow(run: Run) -> Run:
    """The same network asked for noise - data instead of the data."""
    subject = diffusion(run.subject)
    old: Any = subject.model.denoiser
    model = replace(subject.model, denoiser=Denoiser(old.network, Flow(), old.clock))
    return replace(run, subject=replace(subject, model=model, objective=subject.objective.of(model)))


def timed_in_the_middle(run: Run) -> Run:
    """The same network trained at times that favour neither noise nor data."""
    subject = diffusion(run.subject)
    return replace(run, subject=replace(subject, objective=replace(subject.objective, times=LogitNormal())))


def crossing(run: Run) -> Run:
    """The text comes in by a layer of its own in every block."""
    return _with_network(run, attention="cross")


def _with_network(run: Run, patch: int = PATCH, **changes: Any) -> Run:
    """Another transformer for the same latents."""
    subject = diffusion(run.subject)
    old: Any = subject.model.denoiser
    network = DiT(replace(old.network.config, patch=patch, **changes))
    model = replace(subject.model, denoiser=Denoiser(network, old.prediction, old.clock))
    return replace(run, subject=replace(subject, model=model, objective=subject.objective.of(model)))


def diffusion(subject: Subject) -> Diffusion:
    assert isinstance(subject, Diffusion)
    return subject


def choices(width: int, depth: int, batch: int) -> tuple[Choice, ...]:
    return (
        Choice(f"the recipe: {depth} blocks of width {width}, batch {batch} in parts of {PART}"),
        Choice("AdamW alone", {"muon": 0.0}),
        Choice("predicts noise - data", change=predicting_flow),
        Choice("times logit-normal (0, 1) instead of (0.6, 1.1)", change=timed_in_the_middle),
        Choice("text by cross attention", change=crossing),
        Choice("every cell a patch", change=lambda run: _with_network(run, patch=1)),
        Choice(f"width {2 * width}", {"width": 2 * width}),
    )


def trained(run: Run, minutes: float) -> tuple[Diffusion, int, float]:
    """A run to its end: the subject with averaged weights, its steps, and the minutes they took."""
    run = paced(replace(run, widths=(WIDTH,)), minutes / 0.9)  # what paced leaves a tenth for is not done here
    run = replace(run, optimizing=replace(run.optimizing, warmup=run.steps // 10))
    trainer, began = Trainer(run), time.perf_counter()
    with closing(trainer.steps()) as steps:
        for report in steps:
            float(report.losses[0].value)
    return diffusion(trainer.averaged()), run.steps, (time.perf_counter() - began) / 60


@torch.no_grad()
def error(subject: Diffusion, pictures: Tensor, prompts: list[str], low: float, high: float) -> float:
    """Of noise - data, whatever is predicted: uint8 pictures (N, 3, H, W) with a prompt each, times of a band."""
    conditioner, samples = subject.model.conditioner, encoded(subject.model, from_bytes(pictures))
    wishes = [Wish(prompt) for prompt in prompts]

    def times(count: int, random: torch.Generator) -> Tensor:
        return low + (high - low) * even(count, random)

    return heldout(subject.objective.errors, samples, lambda part: conditioner.prepare(wishes[part]), times)


def main() -> None:
    parser = argparse.ArgumentParser(description="The recipe's choices at equal cost")
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--latents", type=Path)
    parser.add_argument("--trunk", help="a model whose transformer is tried as a start")
    parser.add_argument("--only", default="", help="choices whose words have this in them")
    asked = parser.parse_args()
    tried = choices(asked.width, asked.depth, asked.batch)
    sizes = {"width": asked.width, "depth": asked.depth, "batch": asked.batch, "pieces": max(1, asked.batch // PART)}
    trunk = (Choice("the recipe from another model's trunk", {"trunk": asked.trunk}),) if asked.trunk else ()
    chosen = [each for each in (*tried, *trunk) if asked.only in each.said]
    if not chosen:
        parser.error(f"no choice has '{asked.only}' in its words")
    seen, unseen = judged(Emoji(data=asked.data, **USUAL))
    bands = [f"times {low:g} to {high:g}" for low, high in BANDS]
    print("| choice | steps | minutes |", " | ".join([*bands, "things never seen, 0.1 to 1"]), "|\n|", "--- | " * 7)
    for choice in chosen:
        recipe = Emoji(data=asked.data, latents=asked.latents, **{**USUAL, **sizes, **choice.fields})
        subject, steps, took = trained(choice.change(run_of(recipe, asked.data, "cpu")), asked.minutes)
        losses = [*(error(subject, *seen, *band) for band in BANDS), error(subject, *unseen, BANDS[0][0], BANDS[-1][1])]
        print(f"| {choice.said} | {steps} | {took:.1f} |", *(f"{loss:.3f} |" for loss in losses), flush=True)
    print(f"\n{torch.get_num_threads()} threads. {describe()}")


def judged(recipe: Emoji) -> tuple[tuple[Tensor, list[str]], tuple[Tensor, list[str]]]:
    """The first scenes and the held-out emoji, with their words."""
    assert recipe.data is not None
    scenes = scenes_of(recipe, recipe.data)
    unseen = held_out(recipe.data, recipe.size, scenes.shelf.keeps)
    assert unseen is not None
    first = torch.stack([scenes.picture(k) for k in range(SEEN)]), [scenes.captions[k][0] for k in range(SEEN)]
    return first, (unseen.images, [some[0] if some else "" for some in unseen.captions])


if __name__ == "__main__":
    main()
