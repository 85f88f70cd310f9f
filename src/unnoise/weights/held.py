"""What a library holds by content: paused runs and pictures, which requests name by a sha256 and never by a path."""

import hashlib
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.core.error import Refused

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.state import Paused


@dataclass
class Held:
    """Args:
    states: paused runs, by the sha256 of their file.
    pictures: uint8 (3 or 4, H, W), by that of their pixels, which records tell of pictures too.
    """

    states: "dict[str, Paused]" = field(default_factory=dict[str, "Paused"])
    pictures: "dict[str, Tensor]" = field(default_factory=dict[str, "Tensor"])

    def state(self, digest: str) -> "Paused":
        if digest not in self.states:
            raise Refused(f"the library holds no state {digest[:16]!r}", "register it first", "start")
        return self.states[digest]

    def picture(self, digest: str) -> "Tensor":
        if digest not in self.pictures:
            raise Refused(f"the library holds no picture {digest[:16]!r}", "register it first", "image")
        return self.pictures[digest]

    def register(self, thing: "Paused | Tensor | str | PathLike[str]") -> str:
        """Keep a paused run or a picture, or the file of one; a run's ends in .safetensors.

        Raises:
            Refused: it cannot be kept, or the file is not sound.
        """
        from unnoise.core.state import Paused
        from unnoise.media.image import still
        from unnoise.weights.paused import encoded, read

        if isinstance(thing, str | PathLike):
            path = Path(thing).expanduser()
            if path.suffix.lower() != ".safetensors":
                return self._kept(still(path))
            held, digest = read(path)
        elif isinstance(thing, Paused):
            held, digest = thing, hashlib.sha256(encoded(thing)).hexdigest()
        else:
            return self._kept(thing)
        self.states[digest] = held
        return digest

    def _kept(self, pixels: "Tensor") -> str:
        from unnoise.media.image import pixels_sha256

        digest = pixels_sha256(pixels)
        # The bytes say nothing of the sides: a blank picture has those of another shape's.
        if self.pictures.get(digest, pixels).shape != pixels.shape:
            raise Refused(
                "two blank pictures of different shapes have the same pixels", "take another library", "image"
            )
        self.pictures[digest] = pixels
        return digest
