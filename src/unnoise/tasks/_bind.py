"""From a plan to its denoiser: the prompts read, the guidance's branches bound."""

from typing import Any

import torch

from unnoise.core.denoiser import Denoise
from unnoise.core.guidance import Guided
from unnoise.core.model import Library, Model, Wish
from unnoise.core.trajectory import Trajectory
from unnoise.guidances import GUIDANCES
from unnoise.tasks._plan import Plan


def bind(plan: Plan, model: Model, library: Library, trajectory: Trajectory, count: int) -> Denoise:
    """The plan's denoiser for a batch of `count` pictures: guided, or the prompt's own where guidance is 1."""

    def condition(prompt: str) -> Any:
        with torch.no_grad():
            one = model.conditioner(model.conditioner.prepare([Wish(prompt)]))
        return one.map(lambda v: v.expand(count, *v.shape[1:]))

    positive = model.denoiser.bind(condition(plan.prompt))
    combine = GUIDANCES.make(plan.guidance)
    if plan.guidance == "classifier_free:scale=1":
        return positive
    return Guided({"positive": positive, "negative": model.denoiser.bind(condition(plan.negative))}, combine)
