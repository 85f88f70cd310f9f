"""The choices of the recipe `emoji`, each changed alone and trained for the same time: how well it removes noise then.

    python benchmarks/choices.py DATA [--minutes 5] [--latents DIR] [--trunk MODEL] [--only WORDS]

All learn from the same scenes in the shipped codec's latents, from the same seed, one after the other, each for as
many steps as take that long with the rate brought down at the end. The figure is the mean square error of noise - data
at fixed noise and even times, of weights averaged along the last steps, on scenes that it learns from and on emoji
whose names it never saw; lower is better. Minutes tell what learns fast, not what is best in the end.
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
from unnoise.core.prediction import Flow
from unnoise.evaluate.flow import flow_errors
from unnoise.recipes._emoji import heldout, scenes_of
from unnoise.recipes._emoji import run as run_of
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
    "width": 384,
    "depth": 6,
    "batch": 64,
    "pieces": 4,
    "rate": 1.5e-3,
    "muon": 1.5e-3,
}
SEEN = 128
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


def diffusion(subject: Subject) -> Diffusion:
    assert isinstance(subject, Diffusion)
    return subject


CHOICES = (
    Choice("the recipe, 6 blocks of width 384, batch 64 in 4 pieces"),
    Choice("AdamW alone", {"muon": 0.0}),
    Choice("predicts noise - data", change=predicting_flow),
    Choice("times logit-normal (0, 1) instead of (0.6, 1.1)", change=timed_in_the_middle),
    Choice("batch 64 as a whole", {"pieces": 1}),
    Choice("batch 32 in 2 pieces", {"batch": 32, "pieces": 2}),
    Choice("8 blocks of width 256", {"width": 256, "depth": 8}),
    Choice("6 blocks of width 512", {"width": 512}),
)


def trained(run: Run, minutes: float) -> tuple[Diffusion, int, float]:
    """A run to its end: the subject with averaged weights, its steps, and the minutes they took."""
    run = paced(replace(run, widths=(WIDTH,)), minutes / 0.9)  # what paced leaves a tenth for is not done here
    trainer, began = Trainer(run), time.perf_counter()
    with closing(trainer.steps()) as steps:
        for report in steps:
            float(report.losses[0].value)
    return diffusion(trainer.averaged()), run.steps, (time.perf_counter() - began) / 60


def main() -> None:
    parser = argparse.ArgumentParser(description="The recipe's choices at equal cost")
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--latents", type=Path)
    parser.add_argument("--trunk", help="a model whose transformer is tried as a start")
    parser.add_argument("--only", default="", help="choices whose words have this in them")
    asked = parser.parse_args()
    trunk = (Choice("the recipe from another model's trunk", {"trunk": asked.trunk}),) if asked.trunk else ()
    chosen = [each for each in (*CHOICES, *trunk) if asked.only in each.said]
    if not chosen:
        parser.error(f"no choice has '{asked.only}' in its words")
    shown = judged(Emoji(data=asked.data, **USUAL))
    print("| choice | steps | minutes | loss, scenes seen | loss, things never seen |\n| --- | --- | --- | --- | --- |")
    for choice in chosen:
        recipe = Emoji(data=asked.data, latents=asked.latents, **{**USUAL, **choice.fields})
        subject, steps, took = trained(choice.change(run_of(recipe, asked.data, "cpu")), asked.minutes)
        losses = [float(flow_errors(subject.model, *some).mean()) for some in shown]
        print(f"| {choice.said} | {steps} | {took:.1f} | {losses[0]:.3f} | {losses[1]:.3f} |", flush=True)
    print(f"\n{torch.get_num_threads()} threads. {describe()}")


def judged(recipe: Emoji) -> tuple[tuple[Tensor, list[str]], tuple[Tensor, list[str]]]:
    """The first scenes and the held-out emoji, with their words."""
    assert recipe.data is not None
    scenes, unseen = scenes_of(recipe, recipe.data), heldout(recipe, recipe.data)
    assert unseen is not None
    first = torch.stack([scenes.picture(k) for k in range(SEEN)]), [scenes.captions[k][0] for k in range(SEEN)]
    return first, (unseen.images, [some[0] if some else "" for some in unseen.captions])


if __name__ == "__main__":
    main()
