"""The shortest way to a picture from Python."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.catalogue import Shelf
from unnoise.core.event import Result
from unnoise.tasks.generate import Generate

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.media.record import Record

_shelf = Shelf()


@dataclass(frozen=True)
class Picture:
    """A finished picture with what made it.

    Args:
        pixels: uint8 (C, H, W).
        seed: its seed.
        record: enough to make it again; `save` writes it into the file.
    """

    pixels: "Tensor"
    seed: int
    record: "Record"

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the picture; the suffix (.png, .webp, .jpg) names the format.

        Raises:
            Refused: the suffix is unknown, or the file cannot be written.
        """
        from unnoise.media.image import save

        save(path, self.pixels, self.record)
        return Path(path)


def generate(prompt: str, *, model: str = "emoji", library: Shelf | None = None, **fields: Any) -> list[Picture]:
    """Make pictures from words.

    Args:
        prompt: what to draw.
        model: a model's name or file.
        library: where models are found; by default one that keeps what it has loaded.
        **fields: any other field of `Generate`: negative, steps, guidance, sampler, spacing, width, height, seed and
            count.
    Raises:
        Refused: the request cannot be honoured; the message says what would do.
    """
    task = Generate(prompt=prompt, model=model, **fields)
    results = (event for event in task.run(library or _shelf) if isinstance(event, Result))
    return [Picture(event.pixels, event.seed, event.record) for event in results]
