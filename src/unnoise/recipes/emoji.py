"""Text to image in latents: emoji and small scenes of them, 128 x 128 pixels, in several styles.

Scenes are composed and captioned by the data engine, encoded once by the codec and kept. A diffusion transformer on
their latents (Peebles and Xie 2023) learns the straight path from noise to them (Liu et al. 2023) with a small text
transformer that is trained with it. Muon takes the blocks' matrices.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.core.error import Refused

if TYPE_CHECKING:
    from unnoise.train.run import Run


@dataclass(frozen=True, kw_only=True)
class Emoji:
    """Text to image on emoji and scenes of them, in a codec's latents.

    Args:
        data: The folder of emoji shards with their alpha (train-*.tar, heldout-*.tar); 'unnoise data emoji' makes them.
        codec: The model or codec whose latents it learns, by name or file; the shipped emoji_codec by default.
        latents: A folder to keep encoded scenes in; under UNNOISE_HOME by default.
        start: A model to go on from, by name or file, with its codec and sizes, instead of random weights.
        trunk: A model whose transformer and words it starts from, by name or file, whatever its pictures are made of;
            width and depth are then that model's.
        styles: Drawing styles to learn, by the shards' style tag.
        house: The style of half the scenes, which a prompt gets that names none; the first of the styles by default.
        leave: Groups to leave out.
        scenes: How many scenes are drawn and encoded, in 4 KiB each.
        alone: The share of them that are one thing alone, as emoji are: three of four on white, the others on a colour.
        size: Pixels a side, a multiple of 16 with the shipped codec.
        width: The transformer's width, a multiple of 64.
        depth: Its blocks.
        steps: How long to train.
        batch: Scenes a step.
        pieces: How many parts of a batch go through one after the other, by the length of their captions; on a CPU
            parts of 16 are quicker than the whole.
        rate: AdamW's learning rate.
        muon: Muon's learning rate; 0 trains all with AdamW.
        seed: The one source of randomness.
        compiled: Run the network through torch.compile (needs a C++ compiler on a CPU).
        previews: The prompts of the preview sheet.
    """

    data: Path | None = None
    codec: str | None = None
    latents: Path | None = None
    start: str | None = None
    trunk: str | None = None
    styles: tuple[str, ...] = ("fluent-3d", "fluent-flat", "noto", "twemoji")
    house: str | None = None
    leave: tuple[str, ...] = ("Flags", "Symbols")
    scenes: int = 60_000
    alone: float = 0.5
    size: int = 128
    width: int = 384
    depth: int = 8
    steps: int = 20_000
    batch: int = 32
    pieces: int = 1
    rate: float = 1e-3
    muon: float = 1e-3
    seed: int = 0
    compiled: bool = False
    previews: tuple[str, ...] = field(
        default=(
            "a red apple",
            "a pizza",
            "a rocket",
            "a cat face",
            "three stars",
            "a blue car on a yellow background",
            "a dog left of a cat",
            "a crown, flat style",
        )
    )

    def run(self, device: str = "cpu") -> "Run":
        """The run, its scenes encoded and its model built.

        Raises:
            Refused: no data are named, or they are not there; the codec is none; a size or share does not do; or the
                latents cannot be kept.
        """
        if self.data is None:
            raise Refused(
                "the recipe 'emoji' needs its pictures",
                "--data DIR, a folder of emoji as webdataset shards with their alpha: 'unnoise data emoji' makes it "
                "from Fluent, Noto and Twemoji, which are free to use (see docs/data.md)",
                "data",
            )
        from unnoise.recipes._emoji import run

        return run(self, self.data, device)


recipe = Emoji
