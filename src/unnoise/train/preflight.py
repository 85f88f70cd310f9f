"""Checks before hours are spent: what the model sees, and that everything which should move does.

A copy of the run takes a few steps on one small batch, by the very loop that trains. The run itself, its order and its
random numbers stay untouched.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import repeat
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.data.batches import Batch, batches
from unnoise.data.pictures import Gallery
from unnoise.media.image import save
from unnoise.train.event import Preflight
from unnoise.train.loop import generator
from unnoise.train.objective import Example
from unnoise.train.run import Run
from unnoise.train.subject import on_device
from unnoise.train.trainer import Trainer

STEPS = 10
"""Of the trial. A network that starts as nothing lets gradient in layer by layer, one or two a step."""

FEW = 8


def preflight(run: Run, out: Path) -> Preflight:
    """Check a run that is about to start, and draw its first batch as out/first_batch.png.

    Raises:
        Refused: a tensor gets no gradient, the loss of one batch does not fall, or an average does not move.
    """
    device = on_device(run.subject)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        trial = Trainer(_trial(run))
        order = replace(trial.order, size=run.batch)
        with closing(batches(run.pictures, order, 0, run.captions, run.flip)) as found:
            batch = next(found)
        path = out / "first_batch.png"
        save(path, trial.run.subject.sheet(batch, order, 0))
        losses = _losses(trial, batch)
    return Preflight(
        path, losses, len(run.pictures), sum(p.numel() for p in trial.weights.values()), broken(run.pictures)
    )


def broken(pictures: Gallery) -> tuple[str, ...]:
    """ "NAME: why" for each picture of a set that is known to be broken."""
    found = getattr(pictures, "broken", ())
    return tuple(found.values() if isinstance(found, dict) else found)


def _trial(run: Run) -> Run:
    """The run on a copy of its subject, short and at full rate."""
    settings = replace(run.optimizing, warmup=STEPS // 2, cooldown=0.0)
    few = min(run.batch, FEW)
    subject = run.subject.copied()
    others = {role: replace(one, warmup=STEPS // 2, cooldown=0.0) for role, one in run.others.items()}
    return replace(
        run, subject=subject, steps=STEPS, batch=few, pieces=1, optimizing=settings, others=others, compiled=False
    )


def _losses(trial: Trainer, batch: Batch) -> tuple[float, ...]:
    """The loss of each trial step, on the batch's first few pictures at fixed times and noise."""
    few = trial.run.batch
    part = batch.only(torch.arange(few))
    before = [{name: value.clone() for name, value in average.values.items()} for average in trial.averages]
    unreached = _watch(trial)
    losses = tuple(float(report.losses[0].value) for report in trial.steps(_same(trial, part)))
    if not all(map(isfinite, losses)):
        raise Refused("the loss is not finite on the first batch", "lower the learning rate", "rate")
    if min(losses[1:]) >= losses[0]:
        said = ", ".join(f"{loss:.4g}" for loss in losses)
        raise Refused(
            f"{few} pictures cannot be learnt in {STEPS} steps: the loss goes {said}", "check rate and network", "rate"
        )
    if unreached:
        names = ", ".join(sorted(unreached)[:5]) + (f" and {len(unreached) - 5} more" if len(unreached) > 5 else "")
        raise Refused(
            f"no gradient reaches {names}", "nothing depends on it: take it out, or mend the network", "model"
        )
    for average, old in zip(trial.averages, before, strict=True):
        if all(torch.equal(value, old[name]) for name, value in average.values.items()):
            raise Refused(f"the average of width {average.width:g} does not move", "check the averages", "widths")
    return losses


def _same(trial: Trainer, batch: Batch) -> Iterator[Sequence[Example]]:
    """One example over and over, its random numbers afresh each time."""
    example = trial.example(batch, 0)
    for _ in repeat(None):
        yield [replace(example, random=generator(trial.run.seed, 0, trial.device))]


def _watch(trial: Trainer) -> set[str]:
    """The names of the trained tensors; each one goes once a gradient that is not all zero has reached it."""
    waiting = set(trial.weights)

    def reached(tensor: Tensor, name: str) -> None:
        if name in waiting and tensor.grad is not None and bool(tensor.grad.any()):
            waiting.discard(name)

    for name, tensor in trial.weights.items():
        tensor.register_post_accumulate_grad_hook(partial(reached, name=name))
    return waiting
