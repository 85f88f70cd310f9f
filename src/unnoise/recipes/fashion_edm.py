"""EDM on Fashion-MNIST: unit variance in and out at every level, sigma log-normal (Karras et al. 2022).

The same data and network as `fashion_ddpm` and `fashion_flow`, so that the three compare at equal cost.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unnoise.train.run import Run


@dataclass(frozen=True, kw_only=True)
class FashionEDM:
    """Clothes by class, 28 x 28 grey pixels, as EDM.

    Args:
        data: The folder of Fashion-MNIST's four files.
        sigma_data: The standard deviation of the data between -1 and 1; measured on Fashion-MNIST.
        width: Channels of the U-Net's first level, a multiple of 16.
        steps: How long to train.
        batch: Pictures a step.
        rate: The learning rate.
        seed: The one source of randomness.
        compiled: Run the network through torch.compile (needs a C++ compiler on a CPU).
    """

    data: Path | None = None
    sigma_data: float = 0.706
    width: int = 32
    steps: int = 3000
    batch: int = 64
    rate: float = 1e-3
    seed: int = 0
    compiled: bool = False

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
