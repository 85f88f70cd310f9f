"""A judge of pictures by words: a small picture tower and a small text tower on one sphere.

It learns from real pictures alone which of them belong to which words (Radford et al. 2021), and is frozen before any
generated picture is judged by it. Pictures are brought to 64 pixels a side, and moved, lit and laid on other grounds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.core.error import Refused

if TYPE_CHECKING:
    from unnoise.train.run import Run


@dataclass(frozen=True, kw_only=True)
class EmojiJudge:
    """A judge of which words a picture belongs to.

    Args:
        data: The folder of emoji shards, or of any captioned pictures, in any layout.
        extra: Take a set's shards named extra-*, too.
        size: Pixels a side, to which pictures are brought.
        widths: The picture tower's width at each level, every one half the size of the one before.
        blocks: Its residual blocks a level.
        width: The text tower's width, and the axes of the sphere.
        depth: The text tower's blocks.
        ground: How often a picture's white ground becomes any colour.
        steps: How long to train.
        batch: Pictures a step, which are told from one another.
        rate: AdamW's learning rate.
        seed: The one source of randomness.
        compiled: Run the picture tower through torch.compile (needs a C++ compiler on a CPU).
        previews: How many held-out pictures the preview sheet names.
    """

    data: Path | None = None
    extra: bool = False
    size: int = 64
    widths: tuple[int, ...] = (32, 96, 256)
    blocks: int = 1
    width: int = 192
    depth: int = 2
    ground: float = 0.3
    steps: int = 4000
    batch: int = 64
    rate: float = 2e-3
    seed: int = 0
    compiled: bool = False
    previews: int = 24

    def run(self, device: str = "cpu") -> "Run":
        """The run, its data loaded and its towers built.

        Raises:
            Refused: no data are named, or they are not there; or a size does not do.
        """
        if self.data is None:
            raise Refused(
                "the recipe 'emoji_judge' needs captioned pictures",
                "--data DIR, a folder of emoji as webdataset shards, of pictures with .txt captions beside them, or "
                "with a metadata.jsonl (see docs/data.md)",
                "data",
            )
        if self.batch < 2:
            raise Refused(f"a batch of {self.batch} has nothing to be told from", "take at least 2", "batch")
        from unnoise.recipes._emoji_judge import run

        return run(self, self.data, device)


recipe = EmojiJudge
