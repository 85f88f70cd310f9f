"""Make a picture larger."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.core.error import Refused
from unnoise.core.event import Event
from unnoise.tasks._plan import UPSCALER, check_enlarged

if TYPE_CHECKING:
    from unnoise.core.model import Library


@dataclass(frozen=True, kw_only=True)
class Upscale:
    """Make a picture larger, tile by tile: any size will do.

    Args:
        image: The sha256 of a picture that the library holds.
        prompt: What it shows, for upscalers that go by words; there is none yet.
        scale: How many times as many pixels a side: 2, 3, 4, 8, 12 or 16.
        model: An upscaler's name or file.
    """

    image: str
    prompt: str = ""
    scale: int = 4
    model: str = UPSCALER

    def check(self) -> None:
        """Look for what can be refused without the picture.

        Raises:
            Refused: the scale is none, or there is a prompt.
        """
        if self.prompt:
            what = f"the upscaler '{self.model[:60]}' goes by the picture alone, and takes no prompt"
            raise Refused(what, "leave the prompt out", "prompt")
        check_enlarged(1, 1, self.scale, "scale")

    def run(self, library: "Library") -> Generator[Event, None, None]:
        """Progress after each tile, and the Result.

        Raises:
            Refused: as `check`; or the library has no such picture or upscaler, or the result would be too large.
        """
        self.check()
        pixels = library.picture(self.image)
        height, width = pixels.shape[-2:]
        check_enlarged(int(width), int(height), self.scale, "scale")
        from unnoise.tasks._upscaled import upscaled

        yield from upscaled(self, pixels, library)


task = Upscale
