"""A witness of scenes: a small network that tells things, colours, counts, places, backgrounds and styles.

It learns from real scenes of a few things, whose truth the data engine knows. Its file brings along the questions that
`unnoise evaluate` has a model draw, with how it answers them of real scenes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.core.error import Refused

if TYPE_CHECKING:
    from unnoise.train.run import Run


@dataclass(frozen=True, kw_only=True)
class EmojiWitness:
    """A witness of what scenes show.

    Args:
        data: The folder of emoji shards with their alpha (train-*.tar); 'unnoise data emoji' makes them.
        styles: Drawing styles to know, by the shards' style tag.
        leave: Groups to leave out.
        things: How many things it can name.
        questions: How many of each kind its file asks.
        size: Pixels a side, to which pictures are brought.
        widths: The network's width at each level, every one half the size of the one before.
        blocks: Its residual blocks a level.
        steps: How long to train.
        batch: Scenes a step.
        rate: AdamW's learning rate.
        seed: The one source of randomness.
        compiled: Run the network through torch.compile (needs a C++ compiler on a CPU).
    """

    data: Path | None = None
    styles: tuple[str, ...] = ("fluent-3d", "fluent-flat", "noto", "twemoji")
    leave: tuple[str, ...] = ("Flags", "Symbols", "People & Body", "Smileys & Emotion")
    things: int = 32
    questions: int = 64
    size: int = 64
    widths: tuple[int, ...] = (32, 96, 256)
    blocks: int = 1
    steps: int = 2500
    batch: int = 64
    rate: float = 2e-3
    seed: int = 0
    compiled: bool = False

    def run(self, device: str = "cpu") -> "Run":
        """The run, its things chosen and its network built.

        Raises:
            Refused: no data are named, they are not there or have too few things; or a size does not do.
        """
        if self.data is None:
            raise Refused(
                "the recipe 'emoji_witness' needs emoji with their alpha",
                "--data DIR, a folder of webdataset shards as 'unnoise data emoji' makes them",
                "data",
            )
        for name, least in (("things", 3), ("questions", 2)):  # pairs are drawn from three things at least
            if getattr(self, name) < least:
                raise Refused(f"{getattr(self, name)} {name} are too few", f"take at least {least}", name)
        from unnoise.recipes._emoji_witness import run

        return run(self, self.data, device)


recipe = EmojiWitness
