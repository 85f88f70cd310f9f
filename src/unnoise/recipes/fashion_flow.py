"""Rectified flow on Fashion-MNIST: straight paths, times logit-normal (Liu et al. 2023; Esser et al. 2024).

The same data and network as `fashion_ddpm` and `fashion_edm`, so that the three compare at equal cost.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.recipes._clothes import Clothes

if TYPE_CHECKING:
    from unnoise.train.run import Run


@dataclass(frozen=True, kw_only=True)
class FashionFlow(Clothes):
    """Clothes by class, 28 x 28 grey pixels, as rectified flow."""

    def run(self, device: str = "cpu") -> "Run":
        """The run, its data loaded and its model built.

        Raises:
            Refused: no data are named, or they are not there.
        """
        from unnoise.core.clock import Scaled
        from unnoise.core.prediction import Flow
        from unnoise.core.schedule import Rectified
        from unnoise.recipes._fashion import Method, run
        from unnoise.spacings.uniform import Uniform
        from unnoise.train.times import LogitNormal

        method = Method(
            name="fashion_flow",
            title="clothes by class, rectified flow",
            prediction=Flow(),
            clock=Scaled(),
            schedule=Rectified(),
            times=LogitNormal(),
            spacing=Uniform(),
            defaults={"steps": 18, "guidance": 2.0, "sampler": "heun"},
        )
        return run(self, method, device)


recipe = FashionFlow
