"""A looping GIF of pictures, such as the steps of a run."""

import io
from collections.abc import Sequence
from os import PathLike

from PIL import Image
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.media.atomic import write
from unnoise.media.embed import GIF_XMP
from unnoise.media.image import to_image
from unnoise.media.provenance import mark


def gif(
    path: str | PathLike[str], frames: Sequence[Tensor], seconds_each: float, last: float = 1.5, model: str = ""
) -> None:
    """Writes a GIF that loops for ever: all of it, or nothing.

    Each frame has 256 colours of its own, dithered: noise and the picture it becomes share few.

    Args:
        path: the file, by custom ending in .gif.
        frames: uint8 (3 or 1, H, W), all of one size.
        seconds_each: how long each frame stays; GIF counts hundredths, and players take less than two for ten.
        last: how long the last one stays.
        model: the model that made what it shows: the file is then marked as generated.

    Raises:
        Refused: if there are no frames, their sizes differ, a time is out of range, or the file cannot be written.
    """
    if not frames or len({frame.shape[-2:] for frame in frames}) > 1:
        raise Refused("an animation needs frames of one size", "give at least one frame, all of the same size")
    if not all(0.02 <= seconds <= 600 for seconds in (seconds_each, last)):
        raise Refused("a frame must stay for 0.02 to 600 seconds", "use a time between", "seconds_each")
    images = [_indexed(frame) for frame in frames]
    times = [round(seconds * 100) * 10 for seconds in [seconds_each] * (len(images) - 1) + [last]]
    file = io.BytesIO()
    try:
        images[0].save(file, "gif", save_all=True, append_images=images[1:], duration=times, loop=0, optimize=False)
    except (OSError, ValueError) as fault:
        raise Refused(f"cannot make {path} ({fault})", "use frames of at most 65535 pixels a side") from None
    write(path, _marked(file.getvalue(), model) if model else file.getvalue())


def _marked(data: bytes, model: str) -> bytes:
    """A GIF with an XMP packet as its first application extension (Adobe, XMP Specification part 3, 1.1.2).

    The packet stands there as it is, not in sub-blocks: a reader that knows none takes its letters for their lengths,
    and wherever it lands in the 258 bytes of the "magic trailer", they lead it to the end.
    """
    table = 3 << (1 + (data[10] & 7)) if data[10] & 0x80 else 0  # the screen's own colours, before any block
    start = 13 + table
    trailer = bytes([1, *range(255, -1, -1), 0])
    return data[:start] + GIF_XMP + mark(model).encode() + trailer + data[start:]


def _indexed(frame: Tensor) -> Image.Image:
    image = to_image(frame).convert("RGB")
    # Maximum coverage keeps white white and small bright things bright, where median cut mutes them; Pillow dithers
    # only onto a palette that it is given.
    palette = image.quantize(256, Image.Quantize.MAXCOVERAGE)
    return image.quantize(256, palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
