"""One run in progress: its weights, optimizers, averages and step, and the examples each step takes."""

import copy
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from random import Random
from typing import Any, cast

import torch
from torch import Tensor, nn

from unnoise.core.error import Refused
from unnoise.core.model import Model, Wish
from unnoise.data.batches import Batch, Order, batches
from unnoise.evaluate.heldout import heldout
from unnoise.families.native import parts
from unnoise.train.ema import Average
from unnoise.train.loop import Report, generator, train
from unnoise.train.objective import Example
from unnoise.train.optimizers import Together
from unnoise.train.run import Run


class Trainer:
    """The state of a run. `steps()` trains; everything it needs to go on is in `tensors()` and `step`."""

    def __init__(self, run: Run) -> None:
        self.run, self.step = run, 0
        self.modules = nn.ModuleDict(parts(run.model))
        self.modules.requires_grad_(False).eval()  # the codec stays as it is
        trained = [cast(nn.Module, run.model.denoiser), cast(nn.Module, run.model.conditioner)]
        for module in trained:
            module.requires_grad_(True).train()
        self.weights = {name: p for name, p in self.modules.named_parameters() if p.requires_grad}
        self.optimizers = {"model": Together(trained, run.optimizing, run.matrices)}
        self.averages = [Average(self.weights, width) for width in run.widths]
        self.device = next(self.modules.parameters()).device
        self.order = Order(size=run.batch, seed=run.seed)
        if run.compiled:
            network = run.model.denoiser.network
            network.forward = torch.compile(network.forward)

    def steps(self, examples: Iterable[Example] | None = None) -> Generator[Report, None, None]:
        """Train from where it is to the run's last step, a report after each.

        Args:
            examples: what each step trains on; the run's own by default.
        """
        run = self.run
        wanted = islice(self.examples() if examples is None else examples, max(0, run.steps - self.step))
        factor = partial(run.optimizing.factor, steps=run.steps)
        for report in train(run.objective, self.optimizers, wanted, factor, self.step):
            self.step = report.step
            for average in self.averages:
                average.update(self.weights)
            yield report

    def examples(self) -> Iterator[Example]:
        """What each step trains on, from the next step on: a function of (seed, step)."""
        run = self.run
        for step, batch in enumerate(batches(run.pictures, self.order, self.step, run.captions, run.flip), self.step):
            yield self.example(batch, step)

    def example(self, batch: Batch, step: int) -> Example:
        """A batch as the objective takes it: encoded, its captions turned to tokens."""
        wishes = asked(batch.captions, self.order, step, self.run.drop)
        tokens = self.run.model.conditioner.prepare(wishes)
        return Example(self.encoded(batch.images), tokens, generator(self.run.seed, step, self.device))

    @torch.no_grad()
    def encoded(self, images: Tensor) -> Tensor:
        """uint8 pictures (B, C, S, S) as samples."""
        return self.run.model.codec.encode(images.to(self.device).float() / 127.5 - 1)

    def averaged(self, which: int = 0) -> Model:
        """The model with averaged weights, apart from the one in training: what is exported and shown."""
        made = copied(self.run.model)
        if self.averages:
            nn.ModuleDict(parts(made)).load_state_dict(dict(self.averages[which].values), strict=False)
        return made

    def heldout(self, model: Model) -> float | None:
        """The held-out loss of a model; None where the run holds nothing out."""
        held, objective = self.run.heldout, self.run.objective
        if held is None:
            return None
        wishes = [Wish(captions[0] if captions else "") for captions in held.captions]
        return heldout(
            objective.of(model).errors,
            torch.cat([self.encoded(some) for some in held.images.split(64)]),
            lambda part: model.conditioner.prepare(wishes[part]),
            lambda count, random: objective.times(count, objective.schedule, random),
        )

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
        self.modules.load_state_dict({k[8:]: v for k, v in tensors.items() if k.startswith("weights.")})
        for i, average in enumerate(self.averages):
            average.step = step
            for name, value in average.values.items():
                value.copy_(tensors[f"average.{i}.{name}"])
        for role, optimizer in self.optimizers.items():
            optimizer.load_state_dict(_nested(f"optimizer.{role}", tensors, optimizer.state_dict()))
        self.step = step


def asked(captions: Sequence[str], order: Order, step: int, drop: float) -> list[Wish]:
    """What the network is told of a step's pictures: their captions, dropped here and there."""
    draws = (Random(order.key(step, place, "drop")) for place in order.places)
    return [Wish("" if draw.random() < drop else caption) for caption, draw in zip(captions, draws, strict=True)]


def copied(model: Model) -> Model:
    """The same model with modules of its own, for evaluation."""
    made = (_copied(part) for part in (model.denoiser, model.codec, model.conditioner))
    return replace(model, **dict(zip(("denoiser", "codec", "conditioner"), made, strict=True)))


def _copied(module: Any) -> Any:
    """torch.compile's forward, an attribute of the instance, stays behind."""
    made = copy.deepcopy(module, {id(forward): None for forward in _compiled(module)})
    for part in made.modules():
        part.__dict__.pop("forward", None)
    return made.requires_grad_(False).eval()


def _compiled(module: nn.Module) -> list[Any]:
    return [part.__dict__["forward"] for part in module.modules() if "forward" in part.__dict__]


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
