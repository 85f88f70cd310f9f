"""How much of a picture a model tells by how many bits: one scale for models of pixels and of any codec's latents.

A diffusion model is a progressive code (Ho et al. 2020, section 4.3). Whoever has the model is sent a sample that is
less and less noisy, and after any number of bits shows the model's guess of the data. What the model foresees costs
nothing: in the limit of many steps, bits up to a signal-to-noise ratio s are the guess's square error integrated,

    R(s) = 1/2 ∫ |x - D(x at s')|² ds',  s' from 0 to s, in nats    (Kingma et al. 2021, section 5.1),

for x of whatever the model diffuses, and the words known on both sides. What is shown is decoded and compared as a
picture: so errors are of the same pixels, after the same bits, whatever space the model works in.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.core.level import Level
from unnoise.core.model import Model
from unnoise.core.trajectory import level_at, level_of
from unnoise.evaluate.flow import condition, encoded
from unnoise.media.image import from_bytes
from unnoise.tasks._sample import decoded

FAR = 10.0
"""The log signal-to-noise ratios looked at are between minus this and this, as far as the model's path has them."""
APART = 0.5
"""How far they lie apart, at most."""
TOGETHER = 16
_WHOLE = "take a model that is whole, in float32, or leave 'rate' out"


@dataclass(frozen=True, eq=False)
class Told:
    """What some pictures look like as bits arrive.

    Args:
        bits: sent up to each level (N, K), rising, float64.
        errors: the mean square error of the picture then shown (N, K), of values from 0 to 1, float64.
    """

    bits: Tensor
    errors: Tensor

    def decibels(self, bits: float) -> Tensor:
        """The peak signal-to-noise ratio of each picture after so many bits (N,).

        It is read off between levels by the logarithm of their bits; outside all of them it is the nearest one's.
        """
        wanted, sent = math.log(bits), self.bits.clamp(min=1e-12).log()
        after = (sent < wanted).sum(1, keepdim=True).clamp(1, sent.shape[1] - 1)
        begin, end = sent.gather(1, after - 1), sent.gather(1, after)
        way = ((wanted - begin) / (end - begin).clamp(min=1e-12)).clamp(0, 1)
        ratios = -10 * self.errors.clamp(min=1e-10).log10()
        return torch.lerp(ratios.gather(1, after - 1), ratios.gather(1, after), way)[:, 0]


@torch.no_grad()
def told(model: Model, pictures: Tensor, prompts: Sequence[str], side: int, most: float, seed: int = 0) -> Told:
    """Send pictures by a model's code, level by level.

    Args:
        pictures: uint8 (N, C, H, W).
        prompts: the words of each.
        side: pixels a side at which pictures are compared, where they are larger.
        most: bits; the level at which every picture has had more is the last.
        seed: of the noise.

    Raises:
        Refused: the model's guesses, or what they look like, are not finite.
    """
    media, levels = from_bytes(pictures), _levels(model)
    samples, wanted = encoded(model, media), _small(media, side)
    parts = [slice(k, k + TOGETHER) for k in range(0, len(media), TOGETHER)]
    guesses = [model.denoiser.bind(condition(model, prompts[part])) for part in parts]
    off, errors, bits = list[Tensor](), list[Tensor](), torch.zeros(len(media), 1)
    for k, level in enumerate(levels):
        noise = torch.randn(samples.shape, generator=torch.Generator("cpu").manual_seed((seed + k) % 2**63))
        found = [
            _shown(model, guess(level.mix(samples[part], noise[part].to(samples.device)), level), samples[part])
            for part, guess in zip(parts, guesses, strict=True)
        ]
        off.append(torch.cat([each for each, _ in found]))
        shown = torch.cat([_small(each, side) for _, each in found])
        errors.append(((shown - wanted).double() / 2).square().flatten(1).mean(1))
        bits = _bits(torch.stack([level.log_snr for level in levels[: k + 1]]), torch.stack(off, 1))
        if not bool((bits[:, -1] + errors[-1]).isfinite().all()):
            raise Refused(f"the model's guesses at time {float(level.t):.3g} are not finite", _WHOLE, "measures")
        if float(bits[:, -1].min()) > most:
            break
    return Told(bits, torch.stack(errors, 1))


def _shown(model: Model, data: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
    """The square error of guessed samples (N,), float64, and what they look like."""
    off = (data - samples).double().square().flatten(1).sum(1).cpu()
    return off, decoded(model, data).cpu().clamp(-1, 1)


def _bits(log_snr: Tensor, off: Tensor) -> Tensor:
    """R at each level, of square errors (N, K): trapezoids over log s, and a constant error before the first."""
    slope = log_snr.exp() * off / (2 * math.log(2))
    steps = (slope[:, 1:] + slope[:, :-1]) / 2 * log_snr.diff()
    return torch.cat([slope[:, :1], steps], 1).cumsum(1)


def _levels(model: Model) -> list[Level]:
    """The model's levels, noisiest first, evenly spaced in log SNR."""
    low, high = (float(level_at(model.schedule, t).log_snr) for t in (1.0, model.schedule.low))
    low, high = max(low, -FAR), min(high, FAR)
    count = math.ceil((high - low) / APART) + 1
    return [level_of(model.schedule, math.exp(-x / 2)) for x in torch.linspace(low, high, count).tolist()]


def _small(media: Tensor, side: int) -> Tensor:
    """Media of at most this side, each pixel the mean of those that it covers."""
    if max(media.shape[-2:]) <= side:
        return media
    return F.interpolate(media, (side, side), mode="area")
