"""The codec of the latent emoji model: 128 x 128 pixels to 16 x 16 latents and back.

An autoencoder without normalisation, its latents of unit variance, its decoder used to noise on them. Words play no
part, so every style and every group may be learnt from.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.core.error import Refused

if TYPE_CHECKING:
    from unnoise.train.run import Run


@dataclass(frozen=True, kw_only=True)
class EmojiCodec:
    """Pictures to latents an eighth as wide, and back.

    Args:
        data: The folder of emoji shards (train-*.tar, heldout-*.tar), as webdataset writes them.
        scenes: How many scenes of the set's cut-outs it learns from; 0 learns from the pictures as they are.
        start: A codec to go on from, by name or file, instead of random weights.
        size: Pixels a side, a multiple of 8 with two widths.
        channels: Of the latents.
        widths: Of the networks' levels.
        crop: Each step learns from a crop of so many pixels of each picture, a multiple of the same; 0 for the whole.
        jitter: The largest deviation of the noise that the decoder must put up with, in the latents' own.
        critic: Train a patch critic against it, for texture.
        steps: How long to train.
        batch: Pictures a step.
        rate: AdamW's learning rate.
        seed: The one source of randomness.
        compiled: Run the network through torch.compile (needs a C++ compiler on a CPU).
    """

    data: Path | None = None
    scenes: int = 100_000
    start: str | None = None
    size: int = 128
    channels: int = 8
    widths: tuple[int, ...] = (96, 192)
    crop: int = 64
    jitter: float = 0.2
    critic: bool = False
    steps: int = 6000
    batch: int = 32
    rate: float = 1e-3
    seed: int = 0
    compiled: bool = False

    def run(self, device: str = "cpu") -> "Run":
        """The run, its data loaded and its codec built.

        Raises:
            Refused: no data are named, or they are not there; or a size does not do.
        """
        if self.data is None:
            raise Refused(
                "the recipe 'emoji_codec' needs its pictures",
                "--data DIR, a folder of emoji as webdataset shards with their alpha, or --scenes 0 takes any pictures "
                "(see docs/data.md)",
                "data",
            )
        from unnoise.recipes._emoji_codec import run

        return run(self, self.data, device)


recipe = EmojiCodec
