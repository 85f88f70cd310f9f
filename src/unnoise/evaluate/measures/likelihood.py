"""How many bits a picture takes for each value, if a model's own probabilities code it: by its probability-flow ODE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unnoise.core.error import Refused

if TYPE_CHECKING:
    import torch

    from unnoise.core.model import Model
    from unnoise.data.pictures import Pictures
    from unnoise.evaluate.bootstrap import Estimate
    from unnoise.evaluate.case import Case, Figure
    from unnoise.evaluate.likelihood import Path


LITTLE = (0.01, 0.02, 0.04, 0.08)
"""Amounts of noise to choose among."""
TOGETHER = 2


@dataclass(frozen=True)
class Likelihood:
    """Bits per dimension of pixels, or of a codec's latents for a model that diffuses those.

    What is told is the density of the model's samples with a little noise left in them: no network draws finer than its
    own errors, and without noise they would cost without bound. The amount is the one of `LITTLE` that suits training
    pictures best, so that held-out ones have no say in it; but never less than the model's own least noise.

    Args:
        count: pictures of each kind, drawn by the seed.
        steps: of the ODE, four calls of the network each.
        probes: random signs for each picture, by which the trace is estimated.
        noise: sigma / alpha of the noise left in, the model's least where that is more; 0 chooses.
        high: the time the ODE starts at; below 1 for a network that cannot guess where there is no data.
    """

    count: int = 4
    steps: int = 8
    probes: int = 1
    noise: float = 0.0
    high: float = 1.0
    needs: ClassVar[frozenset[str]] = frozenset({"data", "model"})

    def __post_init__(self) -> None:
        if min(self.count, self.steps, self.probes) < 1 or self.noise < 0:
            raise Refused("likelihood takes counts from 1, and noise from 0", "count=4,steps=8,probes=1", "measures")

    def __call__(self, case: Case) -> Iterator[Figure]:
        from unnoise.evaluate.case import Figure
        from unnoise.networks.pixels import Pixels

        assert case.model is not None
        _check(case.model, self._path(case.model, self.noise or LITTLE[0]))
        noise = self._noise(case)
        kinds = [case.heldout, case.train] if case.heldout else [case.train]
        found = [self._averaged(case, each, noise) for each in kinds]
        title = f"bits per dimension, {'held-out' if case.heldout else 'training'}"
        pixels = isinstance(case.model.codec, Pixels)
        said = f"with noise of {noise:g} left in"
        said += f", the model's least: {self.noise:g} is below it" if 0 < self.noise < noise else ""
        said += "" if pixels else "; of this codec's values, not of another's"
        yield Figure(
            "likelihood",
            title,
            "pixels" if pixels else "latents",
            found[0],
            found[1] if case.heldout else None,
            "training pictures",
            "lower",
            said,
            {"noise": noise},
        )

    def _averaged(self, case: Case, pictures: Pictures, noise: float) -> Estimate:
        from unnoise.evaluate.bootstrap import averaged
        from unnoise.evaluate.draw import order
        from unnoise.evaluate.retrieval import concepts

        shown = concepts(pictures)
        things = [shown[k] for k in order(len(pictures), case.seed)[: self.count]]
        return averaged(self._bits(case, pictures, noise, self.count), case.rounds, case.seed, things)

    def _noise(self, case: Case) -> float:
        """The noise that is left in: what was asked for, or what suits training best; not less than the model knows."""
        from unnoise.core.trajectory import level_at

        assert case.model is not None
        schedule = case.model.schedule
        least = float(level_at(schedule, schedule.low).ratio)
        some = list(dict.fromkeys(max(noise, least) for noise in ((self.noise,) if self.noise else LITTLE)))
        if len(some) == 1:
            return some[0]
        return min(some, key=lambda noise: float(self._bits(case, case.train, noise, TOGETHER).mean()))

    def _path(self, model: Model, noise: float) -> Path:
        from unnoise.core.level import scalar
        from unnoise.evaluate.likelihood import Path

        low = float(model.schedule.time(scalar(noise)))
        return Path(model.schedule, self.steps, max(low, model.schedule.low), self.high)

    def _bits(self, case: Case, pictures: Pictures, noise: float, count: int) -> torch.Tensor:
        """Of the first few in the order of the seed, two at once."""
        import torch

        from unnoise.evaluate.draw import order, words
        from unnoise.evaluate.flow import condition, encoded
        from unnoise.evaluate.likelihood import Hutchinson, bits, dequantised, log_density, probes
        from unnoise.media.image import from_bytes
        from unnoise.networks.pixels import Pixels

        model, chosen, said = case.model, order(len(pictures), case.seed)[:count], words(pictures, case.full)
        assert model is not None
        images, pixels = pictures.images[chosen], model.codec if isinstance(model.codec, Pixels) else None
        samples = encoded(model, dequantised(images, case.seed) if pixels else from_bytes(images))
        signs = probes(tuple(samples.shape), self.probes, case.seed).to(samples.device)
        width, path, found = pixels.config.spread / 127.5 if pixels else 1.0, self._path(model, noise), []
        for part in (slice(k, k + TOGETHER) for k in range(0, len(chosen), TOGETHER)):
            read = condition(model, [said[k] for k in chosen[part]])
            denoise = model.denoiser.bind(read, gradient=True)
            density = log_density(denoise, path, samples[part], Hutchinson(signs[:, part]))
            found.append(bits(density, samples[0].numel(), width).cpu())
        if not bool(torch.isfinite(torch.cat(found)).all()):
            raise Refused("the network's guesses where there is no data are not finite", _BELOW, "measures")
        return torch.cat(found)


_BELOW = "likelihood:high=0.999 starts below"


def _check(model: Model, path: Path) -> None:
    """See that the network can guess at the end of the path.

    Raises:
        Refused: it cannot.
    """
    try:
        model.denoiser.prediction(path.ends[1])
    except Refused as fault:
        what = f"bits per dimension cannot start at the end of this path: {fault.what}"
        raise Refused(what, _BELOW, "measures") from None


measure = Likelihood
