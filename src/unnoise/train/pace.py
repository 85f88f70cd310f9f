"""How many steps a run takes in a given time, found by taking a few."""

import time
from contextlib import closing
from dataclasses import replace

import torch

from unnoise.core.error import Refused
from unnoise.train.run import Run
from unnoise.train.subject import on_device
from unnoise.train.trainer import Trainer

FIRST = 3
"""Steps that do not count: the first ones compile, allocate and read."""

SECONDS = 10.0
MOST = 200


def paced(run: Run, minutes: float) -> Run:
    """The run with as many steps as this machine takes in so many minutes, at the pace of a copy of it.

    What comes along a run, such as held-out losses and previews, is not counted; a tenth is left for it.

    Raises:
        Refused: the time is not positive.
    """
    if not 0 < minutes < float("inf"):
        raise Refused(f"a training of {minutes:g} minutes", "give a time above 0", "minutes")
    device = on_device(run.subject)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        trial = Trainer(replace(run, subject=run.subject.copied(), steps=FIRST + MOST))
        with closing(trial.steps()) as steps:
            for _ in range(FIRST):
                float(next(steps).losses[0].value)  # waits for the device
            began, taken = time.perf_counter(), 0
            while taken < MOST and (not taken or time.perf_counter() - began < SECONDS):
                float(next(steps).losses[0].value)
                taken += 1
            each = (time.perf_counter() - began) / taken
    return replace(run, steps=max(1, int(0.9 * 60 * minutes / each)))
