"""A model's errors on real pictures, each under its own fixed noise: of noise - data, one scale for every model.

Of a guess g of data d, the guessed noise is off by -(alpha / sigma)(g - d), and so noise - data by (1 + alpha / sigma)
times g - d. On a straight path this is flow matching's own loss (Lipman et al. 2023, eq. 9). That factor grows without
bound towards the data, where it would tell a network's rounding and nothing else: so times start at `LOW`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unnoise.core.condition import Condition
from unnoise.core.model import Model, Wish
from unnoise.evaluate.heldout import Times, even, heldout
from unnoise.media.image import from_bytes
from unnoise.tasks._plan import check_class

LOW = 0.1
"""The earliest time, of 1, at which a guess is looked at."""
TIMES = 4
"""At how many times each picture is, one in each equal part of what is above `LOW`."""


def flow_errors(model: Model, pictures: Tensor, prompts: Sequence[str], seed: int = 0) -> Tensor:
    """The mean square error for each picture (N, C, H, W), uint8, over `TIMES` times: float64 (N,).

    Args:
        prompts: the words of each.
        seed: of the noise, and of which picture gets which times.
    """
    kept = list[Tensor]()

    def errors(data: Tensor, t: Tensor, noise: Tensor, part: Condition) -> tuple[Tensor, Any]:
        level = model.schedule(t[:, None, None, None])
        off = model.denoiser(level.mix(data, noise), level, part) - data
        kept.append(((1 + level.alpha / level.sigma) * off).square().mean((1, 2, 3)).double().cpu())
        return kept[-1], None

    samples = encoded(model, from_bytes(pictures))
    for k in range(TIMES):
        heldout(errors, samples, lambda part: condition(model, prompts[part]), _part(k), seed + k, batch=16)
    return torch.cat(kept).view(TIMES, -1).mean(0)


def _part(k: int) -> Times:
    """Times spread evenly over the k-th part, in a random order."""
    return lambda count, random: LOW + (1 - LOW) * (k + even(count, random)) / TIMES


@torch.no_grad()
def condition(model: Model, prompts: Sequence[str]) -> Condition:
    """What the network sees of these prompts, one a row.

    Raises:
        Refused: the model knows classes only, and one of them is none.
    """
    wishes = [Wish(check_class(prompt, model.description)) for prompt in prompts]
    return model.conditioner(model.conditioner.prepare(wishes))


@torch.no_grad()
def encoded(model: Model, media: Tensor, batch: int = 16) -> Tensor:
    """Media (N, C, H, W) in [-1, 1] as the samples that the model diffuses, float32 on its device."""
    weights: Any = model.denoiser
    device = next(weights.parameters()).device
    coder: Any = model.codec
    kind = next((p.dtype for p in coder.parameters()), torch.float32)
    parts = (media[k : k + batch].to(device, kind) for k in range(0, len(media), batch))
    return torch.cat([model.codec.encode(part).float() for part in parts])
