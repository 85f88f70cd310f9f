"""DDPM on Fashion-MNIST: the network guesses the noise, on a table of 1000 betas (Ho et al. 2020).

The same data and network as `fashion_edm` and `fashion_flow`, so that the three compare at equal cost.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.recipes._clothes import Clothes

if TYPE_CHECKING:
    from unnoise.train.run import Run


@dataclass(frozen=True, kw_only=True)
class FashionDDPM(Clothes):
    """Clothes by class, 28 x 28 grey pixels, as denoising diffusion."""

    def run(self, device: str = "cpu") -> "Run":
        """The run, its data loaded and its model built.

        Raises:
            Refused: no data are named, or they are not there.
        """
        from unnoise.core.clock import Rows
        from unnoise.core.prediction import Epsilon
        from unnoise.core.schedule import Betas
        from unnoise.recipes._fashion import Method, run
        from unnoise.spacings.trailing import Trailing
        from unnoise.train.times import UniformTimes

        method = Method(
            name="fashion_ddpm",
            title="clothes by class, DDPM",
            prediction=Epsilon(),
            clock=Rows(),
            schedule=Betas("linear", 1e-4, 0.02),
            times=UniformTimes(),
            spacing=Trailing(),
            defaults={"steps": 36, "guidance": 2.0, "sampler": "ddim"},
        )
        return run(self, method, device)


recipe = FashionDDPM
