"""A run with its folder: what is written there, and when."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from math import isfinite
from pathlib import Path

import torch

from unnoise.core.error import Refused
from unnoise.media.image import save as save_picture
from unnoise.train import snapshot
from unnoise.train.event import Event, Heldout, Logged, Previewed, Saved
from unnoise.train.log import Log
from unnoise.train.loop import Report
from unnoise.train.post_hoc import keep, post_hoc
from unnoise.train.run import Run
from unnoise.train.snapshot import Snapshot
from unnoise.train.trainer import Trainer
from unnoise.weights.store import write_tensors

OTHERS = {
    "meaning": "learnt other words than these data give, or its network says something else than this model's",
    "captions": "learns from other pictures than these data hold",
}
"""What is said of facts that are digests."""


class Session:
    """Args:
    run: what is trained.
    out: its folder.
    facts: what its snapshots say that it is of.
    found: the snapshot to go on from, whose facts agree.

    Raises:
        Refused: the snapshot is another run's, or the folder cannot be written.
    """

    def __init__(self, run: Run, out: Path, facts: Mapping[str, str], found: Snapshot | None = None) -> None:
        self.run, self.out, self.facts, self.found = run, out, facts, found
        self.trainer = Trainer(run)
        if found:
            self.trainer.restore(found.tensors(), found.step)
        self.saved_at = self.trainer.step
        self.log = Log(out / "log.jsonl", self.trainer.step)
        self._seconds = max((float(line.get("seconds", 0)) for line in self.log.lines), default=0.0)
        self._began = self.trainer.step, self._seconds
        self._clear()

    @property
    def saved(self) -> bool:
        """Whether the state as it stands is on disk, or is the beginning."""
        return self.saved_at == self.trainer.step

    def took(self, report: Report, seconds: float) -> None:
        """Take in what a step said; nothing here waits for the device."""
        self._count += 1
        self._spent += seconds
        self._loss = self._loss + torch.stack([loss.value.float() for loss in report.losses]).sum()
        self._norm = self._norm + torch.stack([norm.float() for norm in report.norms.values()]).norm()

    def due(self) -> Iterator[Event]:
        """What is to be done after this step, the snapshot before what takes long."""
        every = self.run.every
        if self._due(every.report):
            yield from self._line()
        if self._due(every.snapshot):
            yield self.save()
        if self._due(every.heldout):
            yield from self._heldout()
        if self._due(every.preview):
            yield from self._preview()

    def missed(self) -> Iterator[Event]:
        """What a kill after the snapshot that it goes on from kept from being done."""
        every, step = self.run.every, self.trainer.step
        if self._due(every.heldout) and not any(line["step"] == step and "heldout" in line for line in self.log.lines):
            yield from self._heldout()
        if self._due(every.preview) and not self._sheet().exists():
            yield from self._preview()

    def save(self) -> Saved:
        """Write the snapshot of this step, and what follows from it.

        Raises:
            Refused: the folder cannot be written to, or the numbers are no longer finite.
        """
        list(self._line())
        step = self.trainer.step
        made = snapshot.save(self.out / "snapshots", step, self.trainer.tensors(), self.facts)
        self.saved_at = step
        return Saved(step, made.path, self.derive())

    def derive(self) -> Path:
        """Write what follows from the state: the averages as they stand, for post-hoc EMA, and the model's file."""
        for average in self.trainer.averages:
            keep(self.out / "averages", average)
        path = self.out / "model.safetensors"
        if self.run.ema is None:
            shown = self.trainer.averaged()
        else:
            shown = self.trainer.holding(post_hoc(self.out / "averages", self.run.ema, self.trainer.step))
        write_tensors(path, *shown.export(self.trainer.step, self.run.stored))
        return path

    def close(self) -> None:
        self.log.close()

    def _heldout(self) -> Iterator[Event]:
        if (loss := self.trainer.heldout(self.trainer.averaged())) is not None:
            self.log.add({"step": self.trainer.step, "heldout": loss})
            yield Heldout(self.trainer.step, loss)

    def _preview(self) -> Iterator[Event]:
        if (drawn := self.trainer.averaged().preview()) is not None:
            save_picture(self._sheet(), drawn, self.run.subject.name)
            yield Previewed(self.trainer.step, self._sheet())

    def _sheet(self) -> Path:
        return self.out / "previews" / f"step-{self.trainer.step:06d}.png"

    def _due(self, every: int) -> bool:
        step = self.trainer.step
        return every > 0 and (step % every == 0 or step == self.run.steps)

    def _line(self) -> Iterator[Logged]:
        """The log's line of the steps since the last one, where there are any."""
        if not self._count:
            return
        step, run = self.trainer.step, self.run
        loss, norm = float(self._loss) / self._count, float(self._norm) / self._count
        if not isfinite(loss) or not isfinite(norm):
            raise Refused(
                f"the training diverged: at step {step} the loss is {loss:g} and its gradient's norm {norm:g}",
                "start again with a lower learning rate; the snapshots from before are whole",
                "rate",
            )
        rate = run.optimizing.rate * run.optimizing.factor(step, run.steps)
        self._seconds += self._spent
        pace = (self._seconds - self._began[1]) / (step - self._began[0])
        speed, left = self._count * run.batch / self._spent, pace * (run.steps - step)
        line = Logged(step, loss, norm, rate, speed, self._seconds, left)
        self.log.add(asdict(line))
        self._clear()
        yield line

    def _clear(self) -> None:
        self._count, self._spent = 0, 0.0
        self._loss = self._norm = torch.zeros((), device=self.trainer.device)


def check_facts(found: Snapshot, facts: Mapping[str, str], free: Collection[str] = ()) -> None:
    """Whether a run may go on from a snapshot.

    Args:
        free: names of facts that may differ.

    Raises:
        Refused: a fact differs; `steps` may be any number that is not behind, so that a run can be made longer, or its
            rate brought down sooner.
    """
    for name in sorted((found.facts.keys() | facts.keys()) - set(free), key=lambda name: (name in OTHERS, name)):
        old, new = found.facts.get(name, "nothing"), facts.get(name, "nothing")
        if old == new or (name == "steps" and old.isdigit() and new.isdigit() and int(new) >= found.step):
            continue
        if name in OTHERS:
            what = f"the run in {found.path.parent.parent} {OTHERS[name]}"
            raise Refused(what, "go on with those that it was begun with, or name another folder", "data")
        fewer = f"it has taken {found.step}; give no fewer"
        remedy = fewer if name == "steps" else f"go on with {old}, or name another folder"
        raise Refused(f"the run in {found.path.parent.parent} has {name} {old}, this one {new}", remedy, name)
