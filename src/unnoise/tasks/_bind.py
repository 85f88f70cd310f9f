"""From a plan to its denoiser: the prompts read, and every branch that its guidance asks for bound."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from unnoise.core.branch import FREE, NEGATIVE, POSITIVE, Branch, View, Viewable, Words
from unnoise.core.condition import Condition
from unnoise.core.denoiser import Denoiser
from unnoise.core.error import Refused
from unnoise.core.guidance import Guided, Stepped
from unnoise.core.model import Library, Model, Wish
from unnoise.core.sampler import branches
from unnoise.core.trajectory import Trajectory
from unnoise.guidances import GUIDANCES
from unnoise.samplers import SAMPLERS
from unnoise.tasks._plan import Plan

STANDARD: Mapping[str, Branch] = {"positive": POSITIVE, "negative": NEGATIVE, "free": FREE}
"""The branches that a sampler may look at whatever the guidance."""


def bind(plan: Plan, model: Model, library: Library, trajectory: Trajectory, count: int) -> Guided:
    """The plan's denoiser for one run of `count` pictures along a trajectory.

    Raises:
        Refused: the guidance does not fit the run, the network cannot be weakened as it asks, or another model that it
            names does not fit this one.
    """
    combine = GUIDANCES.make(plan.guidance)
    asked = {**{name: STANDARD[name] for name in branches(SAMPLERS.make(plan.sampler))}, **combine.branches}
    models = {name: _other(library, name, model) if name else model for name in {b.model for b in asked.values()}}
    # A denoiser once for each network, and a condition once for each text, so that branches meet in one batch.
    denoisers = {(b.model, b.view): _weakened(models[b.model], b.view) for b in asked.values()}
    texts = {"prompt": plan.prompt, "negative": plan.negative, "none": ""}
    told = getattr(combine, "told", None)
    wishes = {k: Wish(text, plan.width, plan.height, told, negative=k != "prompt") for k, text in texts.items()}
    read = dict[tuple[str, Words], Condition]()
    for name, other in models.items():
        words: list[Words] = [*dict.fromkeys(b.words for b in asked.values() if b.model == name)]
        for each, condition in zip(words, _conditions(other, [wishes[w] for w in words], count), strict=True):
            read[name, each] = condition
    bound = {n: denoisers[b.model, b.view].bind(read[b.model, b.words]) for n, b in asked.items()}
    return Guided(bound, combine.along(trajectory) if isinstance(combine, Stepped) else combine)


def others(guidance: str) -> tuple[str, ...]:
    """The names of the other models that a guidance asks for."""
    return tuple(sorted({b.model for b in GUIDANCES.make(guidance).branches.values()} - {""}))


def _conditions(model: Model, wishes: Sequence[Wish], count: int) -> list[Condition]:
    """What the network sees of each wish, `count` times; all are read at once: weights are gone through once."""
    with torch.no_grad():
        found = model.conditioner(model.conditioner.prepare(wishes))
    return [found.map(lambda v, i=i: v[i : i + 1].expand(count, *v.shape[1:])) for i in range(len(wishes))]


def _weakened(model: Model, view: View | None) -> Denoiser[Any]:
    denoiser = model.denoiser
    if view is None:
        return denoiser
    network = denoiser.network
    if not isinstance(network, Viewable):
        kind = type(network).__name__
        raise Refused(f"the network of '{model.description.name}', a {kind}, has no weaker view", _ANOTHER, "guidance")
    return Denoiser(network.view(view), denoiser.prediction, denoiser.clock)


def _other(library: Library, name: str, model: Model) -> Model:
    """Another model, whose guesses can be compared with this one's."""
    found = library.model(name)
    mine, theirs = model.codec, found.codec
    same = (theirs.channels, theirs.scale, type(theirs)) == (mine.channels, mine.scale, type(mine))
    if not same or found.schedule != model.schedule:
        what = "samples of another kind" if not same else "another noise schedule"
        raise Refused(f"the model '{name}' has {what} than '{model.description.name}'", _ANOTHER_MODEL, "guidance")
    return found


_ANOTHER = "use another guidance"
_ANOTHER_MODEL = "name a model of the same kind, such as an earlier snapshot of this one"
