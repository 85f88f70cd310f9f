"""One run in progress: its weights, optimizers, averages and step, and the examples each step takes."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from unnoise.core.error import Refused
from unnoise.data.batches import Batch, Order, batches
from unnoise.train.ema import Average
from unnoise.train.loop import Report, generator, train
from unnoise.train.objective import Example
from unnoise.train.optimizers import Together
from unnoise.train.run import Run
from unnoise.train.subject import Subject, on_device


class Trainer:
    """The state of a run. `steps()` trains; everything it needs to go on is in `tensors()` and `step`."""

    def __init__(self, run: Run) -> None:
        self.run, self.step = run, 0
        self.modules = nn.ModuleDict(dict(run.subject.parts()))
        self.modules.requires_grad_(False).eval()  # what has no role stays as it is
        roles = run.subject.roles()
        for module in (module for trained in roles.values() for module in trained):
            module.requires_grad_(True).train()
        self.weights = {name: p for name, p in self.modules.named_parameters() if p.requires_grad}
        self.optimizers = {
            role: Together(trained, run.others.get(role, run.optimizing), run.matrices)
            for role, trained in roles.items()
        }
        kept = {id(p) for module in roles["model"] for p in module.parameters()}
        self.averages = [Average({n: p for n, p in self.weights.items() if id(p) in kept}, w) for w in run.widths]
        self.device = on_device(run.subject)
        self.order = Order(size=run.batch, seed=run.seed)
        for network in run.subject.networks() if run.compiled else ():
            network.forward = torch.compile(network.forward)

    def steps(self, examples: Iterable[Sequence[Example]] | None = None) -> Generator[Report, None, None]:
        """Train from where it is to the run's last step, a report after each.

        Args:
            examples: what each step trains on; the run's own by default.
        """
        run = self.run
        wanted = islice(self.examples() if examples is None else examples, max(0, run.steps - self.step))
        factor = partial(run.optimizing.factor, steps=run.steps)
        for report in train(run.subject.objective, self.optimizers, wanted, factor, self.step):
            self.step = report.step
            for average in self.averages:
                average.update(self.weights)
            yield report

    def examples(self) -> Iterator[Sequence[Example]]:
        """What each step trains on, from the next step on: a function of (seed, step)."""
        run = self.run
        for step, batch in enumerate(batches(run.pictures, self.order, self.step, run.captions, run.flip), self.step):
            yield self.pieces(batch, step)

    def pieces(self, batch: Batch, step: int) -> Sequence[Example]:
        """A batch in the run's number of pieces, by the length of their captions: so little of them is padding."""
        pieces = self.run.pieces
        if pieces == 1:
            return [self.example(batch, step)]
        ranked = torch.tensor([len(caption) for caption in batch.captions]).argsort(stable=True)
        random = generator(self.run.seed, step, self.device)
        return [
            self.run.subject.example(batch.only(some), replace(self.order, chosen=tuple(some.tolist())), step, random)
            for some in ranked.chunk(pieces)
        ]

    def example(self, batch: Batch, step: int) -> Example:
        """A batch as the objective takes it."""
        return self.run.subject.example(batch, self.order, step, generator(self.run.seed, step, self.device))

    def averaged(self, which: int = 0) -> Subject:
        """The subject with averaged weights, apart from the one in training: what is exported and shown."""
        return self.holding(self.averages[which].values if self.averages else {})

    def holding(self, weights: Mapping[str, Tensor]) -> Subject:
        """The subject with these weights in the place of its own, apart from the one in training."""
        made = self.run.subject.copied()
        nn.ModuleDict(dict(made.parts())).load_state_dict(dict(weights), strict=False)
        return made

    def heldout(self, subject: Subject) -> float | None:
        """The held-out loss of a subject; None where the run holds nothing out."""
        return None if self.run.heldout is None else subject.heldout(self.run.heldout)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the run's state, by name."""
        found = {f"weights.{k}": v for k, v in self.modules.state_dict().items()}
        for i, average in enumerate(self.averages):
            found |= {f"average.{i}.{k}": v for k, v in average.values.items()}
        for role, optimizer in self.optimizers.items():
            found |= _flat(f"optimizer.{role}", optimizer.state_dict())
        return found

    def restore(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Go on from what `tensors` gave at this step.

        Raises:
            Refused: they are another run's.
        """
        mine = {k: v.shape for k, v in self.tensors().items() if not k.startswith("optimizer.")}
        theirs = {k: v.shape for k, v in tensors.items() if not k.startswith("optimizer.")}
        if odd := sorted(k for k in mine.keys() | theirs.keys() if mine.get(k) != theirs.get(k)):
            raise Refused(f"the snapshot is another run's: {odd[0]} differs", "start in another folder", "resume")
        self._check_kept(tensors)
        self.modules.load_state_dict({k[8:]: v for k, v in tensors.items() if k.startswith("weights.")})
        for i, average in enumerate(self.averages):
            average.step = step
            for name, value in average.values.items():
                value.copy_(tensors[f"average.{i}.{name}"])
        for role, optimizer in self.optimizers.items():
            optimizer.load_state_dict(_nested(f"optimizer.{role}", tensors, optimizer.state_dict()))
        self.step = step

    def _check_kept(self, tensors: Mapping[str, Tensor]) -> None:
        """Whether what a run does not train is what it was, such as a codec whose latents it learns.

        Raises:
            Refused: it is another one.
        """
        for name, part in self.modules.items():
            if any(p.requires_grad for p in part.parameters()):
                continue
            for key, value in part.state_dict().items():
                if not torch.equal(value.cpu(), tensors[f"weights.{name}.{key}"].cpu()):
                    what = f"the snapshot's {name} is another one than this run's"
                    raise Refused(what, "go on with the file that the run was begun with", "resume")


def _flat(prefix: str, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """An optimizer's tensors: prefix.optimizer.parameter.name."""
    return {
        f"{prefix}.{i}.{parameter}.{name}": value if isinstance(value, Tensor) else torch.tensor(value)
        for i, part in state.items()
        for parameter, values in part["state"].items()
        for name, value in values.items()
    }


def _nested(prefix: str, tensors: Mapping[str, Tensor], fresh: Mapping[str, Any]) -> dict[str, Any]:
    """The optimizer's state again, with the groups of a fresh one."""
    states: dict[str, dict[int, dict[str, Tensor]]] = {}
    for key, value in tensors.items():
        if key.startswith(prefix + "."):
            i, parameter, name = key[len(prefix) + 1 :].split(".")
            states.setdefault(i, {}).setdefault(int(parameter), {})[name] = value
    groups = {i: part["param_groups"] for i, part in fresh.items()}
    return {i: {"state": states.get(i, {}), "param_groups": groups.get(i, [])} for i in groups.keys() | states.keys()}
