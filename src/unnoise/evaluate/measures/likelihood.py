"""How many bits a model needs for pictures it never saw, for each value, by its probability-flow ODE."""

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


@dataclass(frozen=True)
class Likelihood:
    """Bits per dimension of pixels, or of a codec's latents for a model that diffuses those.

    Args:
        count: pictures of each kind, drawn by the seed.
        steps: of the ODE, four calls of the network each.
        probes: random signs for each picture, by which the trace is estimated.
        high: the time it starts at; below 1 for a network that cannot guess where there is no data.
    """

    count: int = 4
    steps: int = 16
    probes: int = 1
    high: float = 1.0
    needs: ClassVar[frozenset[str]] = frozenset({"data", "model"})

    def __post_init__(self) -> None:
        if min(self.count, self.steps, self.probes) < 1:
            raise Refused("likelihood takes counts from 1", "likelihood:count=4,steps=16,probes=1", "measures")

    def __call__(self, case: Case) -> Iterator[Figure]:
        from unnoise.evaluate.case import Figure
        from unnoise.evaluate.likelihood import Path
        from unnoise.networks.pixels import Pixels

        assert case.model is not None
        path = Path(case.model.schedule, self.steps, high=self.high)
        _check(case.model, path)
        pixels = isinstance(case.model.codec, Pixels)
        value = self._of(case, case.heldout or case.train, path)
        beside = self._of(case, case.train, path) if case.heldout else None
        title = f"bits per dimension, {'held-out' if case.heldout else 'training'}"
        what = "pixels" if pixels else "latents"
        note = "" if pixels else "of the codec's own values: another codec's cannot be compared"
        yield Figure("likelihood", title, what, value, beside, "training pictures", "lower", note)

    def _of(self, case: Case, pictures: Pictures, path: Path) -> Estimate:
        import torch

        from unnoise.evaluate.bootstrap import averaged
        from unnoise.evaluate.draw import order, words

        chosen = order(len(pictures), case.seed)[: self.count]
        said = words(pictures, case.full)
        prompts = [said[k] for k in chosen]
        found = self._bits(case, pictures.images[chosen], prompts, path)
        if not bool(torch.isfinite(found).all()):
            what = "the network's guesses at the end of the path are not finite"
            raise Refused(what, "likelihood:high=0.999 starts below it", "measures")
        return averaged(found, case.rounds, case.seed)

    def _bits(self, case: Case, images: torch.Tensor, prompts: list[str], path: Path) -> torch.Tensor:
        """Of each picture by itself, so that memory stays that of one."""
        import torch

        from unnoise.evaluate.flow import condition, encoded
        from unnoise.evaluate.likelihood import Hutchinson, bits, dequantised, log_density, probes
        from unnoise.media.image import from_bytes
        from unnoise.networks.pixels import Pixels

        model, found = case.model, list[torch.Tensor]()
        assert model is not None
        pixels = model.codec if isinstance(model.codec, Pixels) else None
        samples = encoded(model, dequantised(images, case.seed) if pixels else from_bytes(images))
        signs = probes(tuple(samples.shape), self.probes, case.seed).to(samples.device)
        width = pixels.config.spread / 127.5 if pixels else 1.0
        for k, prompt in enumerate(prompts):
            denoise = model.denoiser.bind(condition(model, [prompt]), gradient=True)
            density = log_density(denoise, path, samples[k : k + 1], Hutchinson(signs[:, k : k + 1]))
            found.append(bits(density, samples[k].numel(), width).cpu())
        return torch.cat(found)


def _check(model: Model, path: Path) -> None:
    """See that the network can guess at the end of the path.

    Raises:
        Refused: it cannot.
    """
    try:
        model.denoiser.prediction(path.ends[1])
    except Refused as fault:
        what = f"bits per dimension cannot start at the end of this path: {fault.what}"
        raise Refused(what, "likelihood:high=0.999 starts below it", "measures") from None


measure = Likelihood
