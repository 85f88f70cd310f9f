"""A small one-step upscaler: four times as many pixels a side, for flat and glossy art as for anything else.

Its network adds to a bicubic enlargement what that lacks. It learns from pictures that are made small on the spot, half
of them by the plain filter that most programs use and half with the faults that pictures have.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.core.error import Refused

if TYPE_CHECKING:
    from unnoise.train.run import Run


@dataclass(frozen=True, kw_only=True)
class UpscaleX4:
    """Four times larger pictures at one look.

    Args:
        data: The folder of pictures, in any layout; captions are not needed.
        extra: Take a set's shards named extra-*, too.
        size: Pixels a side of a picture, whose quarter the network is shown.
        crop: Pixels a side of what a step takes of each picture; 0 takes all of it.
        width: The network's width.
        blocks: Its residual blocks.
        clean: The share of pictures that are shrunk, and nothing else.
        details: What the wavelet term counts beside the pixels'.
        steps: How long to train.
        batch: Pictures a step.
        rate: AdamW's learning rate.
        seed: The one source of randomness.
        compiled: Run the network through torch.compile (needs a C++ compiler on a CPU).
        previews: How many held-out pictures the preview sheet shows.
    """

    data: Path | None = None
    extra: bool = False
    size: int = 128
    crop: int = 96
    width: int = 48
    blocks: int = 6
    clean: float = 0.5
    details: float = 0.5
    steps: int = 4000
    batch: int = 16
    rate: float = 2e-3
    seed: int = 0
    compiled: bool = False
    previews: int = 8

    def run(self, device: str = "cpu") -> "Run":
        """The run, its data loaded and its network built.

        Raises:
            Refused: no data are named, or they are not there; or a size does not do.
        """
        if self.data is None:
            raise Refused(
                "the recipe 'upscale_x4' needs pictures",
                "--data DIR, a folder of pictures or of webdataset shards (see docs/data.md)",
                "data",
            )
        for name, value, least in (("size", self.size, 8), ("crop", self.crop, 0)):
            if value < least or value % 4:
                raise Refused(f"{name} {value} is no multiple of 4 from {least} on", "try 128", name)
        for name, value in (("width", self.width), ("blocks", self.blocks)):
            if value < 1:
                raise Refused(f"{name} {value} is no size", "take at least 1", name)
        from unnoise.recipes._upscale_x4 import run

        return run(self, self.data, device)


recipe = UpscaleX4
