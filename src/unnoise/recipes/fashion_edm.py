"""EDM on Fashion-MNIST: unit variance in and out at every level, sigma log-normal (Karras et al. 2022).

The same data and network as `fashion_ddpm` and `fashion_flow`, so that the three compare at equal cost.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.recipes._clothes import Clothes

if TYPE_CHECKING:
    from unnoise.train.run import Run


@dataclass(frozen=True, kw_only=True)
class FashionEDM(Clothes):
    """Clothes by class, 28 x 28 grey pixels, as EDM.

    Args:
        sigma_data: The standard deviation of the data between -1 and 1; measured on Fashion-MNIST.
    """

    sigma_data: float = 0.706

    def run(self, device: str = "cpu") -> "Run":
        """The run, its data loaded and its model built.

        Raises:
            Refused: no data are named, or they are not there.
        """
        from unnoise.core.clock import LogSigma
        from unnoise.core.prediction import EDM
        from unnoise.core.schedule import Exploding
        from unnoise.recipes._fashion import Method, run
        from unnoise.spacings.karras import Karras
        from unnoise.train.times import LogNormalSigma

        method = Method(
            name="fashion_edm",
            title="clothes by class, EDM",
            prediction=EDM(self.sigma_data),
            clock=LogSigma(),
            schedule=Exploding(),
            times=LogNormalSigma(),
            spacing=Karras(),
            defaults={"steps": 18, "guidance": 2.0, "sampler": "heun"},
        )
        return run(self, method, device)


recipe = FashionEDM
