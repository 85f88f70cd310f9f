"""A small text-to-image model of emoji: a pixel DiT that predicts the data on a straight path.

The network sees 8 x 8 patches, guesses the clean picture and is judged by the flow that guess implies (Li and He 2025);
a small text transformer is trained with it. Muon takes the blocks' matrices.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.core.error import Refused

if TYPE_CHECKING:
    from unnoise.train.run import Run


@dataclass(frozen=True, kw_only=True)
class EmojiPixels:
    """Text to image on emoji pictures, 64 x 64 pixels.

    Args:
        data: The folder of emoji shards (train-*.tar, heldout-*.tar), as webdataset writes them.
        styles: Drawing styles to learn, by the shards' style tag.
        leave: Groups to leave out.
        start: A model to go on from, by name or file, with its width and depth, instead of random weights.
        size: Pixels a side, a multiple of 8.
        width: The transformer's width, a multiple of 64.
        depth: Its blocks.
        steps: How long to train.
        batch: Pictures a step.
        rate: AdamW's learning rate.
        muon: Muon's learning rate; 0 trains all with AdamW.
        seed: The one source of randomness.
        compiled: Run the network through torch.compile (needs a C++ compiler on a CPU).
        previews: The prompts of the preview sheet.
    """

    data: Path | None = None
    styles: tuple[str, ...] = ("fluent-3d",)
    leave: tuple[str, ...] = ("Flags", "Symbols")
    start: str | None = None
    size: int = 64
    width: int = 384
    depth: int = 6
    steps: int = 6000
    batch: int = 32
    rate: float = 1e-3
    muon: float = 1e-3
    seed: int = 0
    compiled: bool = False
    previews: tuple[str, ...] = field(default=("red apple", "pizza", "rocket", "dog face", "cat face", "crown"))

    def run(self, device: str = "cpu") -> "Run":
        """The run, its data loaded and its model built.

        Raises:
            Refused: no data are named, or they are not there; or a size does not do.
        """
        if self.data is None:
            raise Refused(
                "the recipe 'emoji_pixels' needs its pictures",
                "--data DIR, a folder of captioned emoji as webdataset shards, of pictures with .txt captions beside "
                "them, or with a metadata.jsonl (Fluent, Noto and Twemoji are free to use: see docs/data.md)",
                "data",
            )
        from unnoise.recipes._emoji_pixels import run

        return run(self, self.data, device)


recipe = EmojiPixels
