"""DDPM on Fashion-MNIST: the network guesses the noise, on a table of 1000 betas (Ho et al. 2020).

The same data and network as `fashion_edm` and `fashion_flow`, so that the three compare at equal cost.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unnoise.train.run import Run


@dataclass(frozen=True, kw_only=True)
class FashionDDPM:
    """Clothes by class, 28 x 28 grey pixels, as denoising diffusion.

    Args:
        data: The folder of Fashion-MNIST's four files.
        width: Channels of the U-Net's first level, a multiple of 16.
        steps: How long to train.
        batch: Pictures a step.
        rate: The learning rate.
        seed: The one source of randomness.
        compiled: Run the network through torch.compile (needs a C++ compiler on a CPU).
    """

    data: Path | None = None
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
