"""One run in progress: its weights, optimizers, averages and step, and the examples each step takes."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any, cast

import torch
from torch import Tensor, nn

from unnoise.core.model import Conditioner, Model, Wish
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
        self.modules.requires_grad_(True).train()
        trained = [cast(nn.Module, run.model.denoiser), cast(nn.Module, run.model.conditioner)]
        self.optimizers = {"model": Together(trained, run.optimizing, run.matrices)}
        self.averages = [Average(dict(self.modules.named_parameters()), width) for width in run.widths]
        self.device = next(self.modules.parameters()).device
        self.order = Order(size=run.batch, seed=run.seed)
        if run.compiled:
            network = run.model.denoiser.network
            network.forward = torch.compile(network.forward)

    def steps(self) -> Iterator[Report]:
        """Train from where it is to the run's last step, a report after each."""
        run = self.run
        weights = dict(self.modules.named_parameters())
        reports = train(
            run.objective,
            self.optimizers,
            self.examples(),
            lambda step: run.optimizing.factor(step, run.steps),
            self.step,
        )
        for report in reports:
            self.step = report.step
            for average in self.averages:
                average.update(weights)
            yield report
            if self.step >= run.steps:
                return

    def examples(self) -> Iterator[Example]:
        """What each step trains on, from the next step on: a function of (seed, step)."""
        run = self.run
        for step, batch in enumerate(batches(run.pictures, self.order, self.step, run.captions, run.flip), self.step):
            yield self.example(batch, step)

    def example(self, batch: Batch, step: int) -> Example:
        """A batch as the objective takes it: encoded, its captions dropped here and there and turned to tokens."""
        draws = (Random(self.order.key(step, place, "drop")) for place in self.order.places)
        wishes = [Wish("" if d.random() < self.run.drop else c) for c, d in zip(batch.captions, draws, strict=True)]
        tokens = self.run.model.conditioner.prepare(wishes)
        return Example(self.encoded(batch.images), tokens, generator(self.run.seed, step, self.device))

    @torch.no_grad()
    def encoded(self, images: Tensor) -> Tensor:
        """uint8 pictures (B, C, S, S) as samples."""
        return self.run.model.codec.encode(images.to(self.device).float() / 127.5 - 1)

    def averaged(self, which: int = 0) -> Model:
        """The model with averaged weights, apart from the one in training: what is exported and shown."""
        source = self.run.model
        made = replace(
            source,
            denoiser=_copied(source.denoiser),
            codec=_copied(source.codec),
            conditioner=_copied(source.conditioner),
        )
        nn.ModuleDict(parts(made)).load_state_dict(dict(self.averages[which].values), strict=False)
        return made

    def heldout(self, model: Model) -> float | None:
        """The held-out loss of a model; None where the run holds nothing out."""
        held = self.run.heldout
        if held is None:
            return None
        objective = replace(self.run.objective, denoiser=model.denoiser, conditioner=model.conditioner)
        wishes = [Wish(captions[0]) for captions in held.captions]
        prepare = cast(Conditioner, model.conditioner).prepare
        return heldout(objective.errors, self.encoded(held.images), lambda part: prepare(wishes[part]))

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the run's state, by name."""
        found = {f"weights.{k}": v for k, v in self.modules.state_dict().items()}
        for i, average in enumerate(self.averages):
            found |= {f"average.{i}.{k}": v for k, v in average.values.items()}
        for role, optimizer in self.optimizers.items():
            found |= _flat(f"optimizer.{role}", optimizer.state_dict())
        return found

    def restore(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Go on from what `tensors` gave at this step."""
        self.modules.load_state_dict({k[8:]: v for k, v in tensors.items() if k.startswith("weights.")})
        for i, average in enumerate(self.averages):
            average.step = step
            for name, value in average.values.items():
                value.copy_(tensors[f"average.{i}.{name}"])
        for role, optimizer in self.optimizers.items():
            optimizer.load_state_dict(_nested(f"optimizer.{role}", tensors, optimizer.state_dict()))
        self.step = step


def _copied(module: Any) -> Any:
    """A module of its own for evaluation; torch.compile's forward, an attribute of the instance, stays behind."""
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
    states: dict[str, dict[int, dict[str, Tensor]]] = {i: {} for i in fresh}
    for key, value in tensors.items():
        if key.startswith(prefix + "."):
            i, parameter, name = key[len(prefix) + 1 :].split(".")
            states[i].setdefault(int(parameter), {})[name] = value
    return {i: {"state": states[i], "param_groups": part["param_groups"]} for i, part in fresh.items()}
