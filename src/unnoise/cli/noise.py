"""Show how a noise schedule takes a picture apart, as a GIF."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.cli import _places as places
from unnoise.cli._parse import parse
from unnoise.cli._show import say, say_json
from unnoise.core.error import Refused
from unnoise.core.registry import options
from unnoise.spacings import SPACINGS

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.level import Level
    from unnoise.core.schedule import Schedule


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Show how a noise schedule takes a picture apart, as a GIF.

    Every frame is alpha times the picture plus sigma times the same noise, at the levels that a sampler would visit.

    Args:
        image: The picture.
        out: The GIF to write; out/NAME-noise.gif by default.
        schedule: rectified, cosine, exploding or betas, NAME:option=value,...
        spacing: How the levels lie along it, NAME:option=value,...
        steps: How many, beside the clean picture.
        size: The longest side, in pixels; a larger picture is shrunk.
        seed: The noise's.
        json: One JSON object on standard output, and nothing else there.
    """

    image: str
    out: str = field(default="", metadata={"metavar": "FILE"})
    schedule: str = "rectified"
    spacing: str = "uniform"
    steps: int = 20
    size: int = 256
    seed: int = 0
    json: bool = False


def command(args: list[str]) -> int:
    asked = parse(Asked, args, "unnoise noise")
    image = places.user_path(asked.image, "IMAGE")
    path = _out(asked.out or f"out/{places.slug(image.stem)}-noise.gif")
    for name, value, most in (("steps", asked.steps, 200), ("size", asked.size, 2048)):
        if not 1 <= value <= most:
            raise Refused(f"--{name} {value} is out of range", f"from 1 to {most}", name)
    from unnoise.core.noise import Seeds
    from unnoise.media.animation import gif
    from unnoise.media.image import from_bytes, read

    schedule = _schedule(asked.schedule)
    levels = SPACINGS.make(asked.spacing)(schedule, asked.steps, ()).levels
    data = from_bytes(_shrunk(read(image), asked.size))
    places.made(path.parent)
    noise = Seeds((asked.seed,)).start(tuple(data.shape))[0]
    frames = [_frame(data, noise, level) for level in reversed(levels)]
    gif(path, frames, 0.1)
    if asked.json:
        say_json(event="result", path=str(path), seed=asked.seed, frames=len(frames))
    else:
        say(str(path))
    return 0


def _out(word: str) -> Path:
    path = places.beside(word, (".gif",), "out", 1)
    assert path is not None
    return path


def _schedule(spec: str) -> "Schedule":
    """A schedule by its name and options.

    Raises:
        Refused: it is none we know.
    """
    from unnoise.core.schedule import SCHEDULES

    name, _, text = spec.partition(":")
    if name not in SCHEDULES:
        raise Refused(f"there is no schedule '{name[:60]}'", f"one of {', '.join(SCHEDULES)}", "schedule")
    kind = SCHEDULES[name]
    return kind(**options(kind, text, f"schedule '{name}'", "schedule"))


def _shrunk(pixels: "Tensor", longest: int) -> "Tensor":
    from torch.nn.functional import interpolate

    height, width = pixels.shape[-2:]
    share = longest / max(height, width)
    if share >= 1:
        return pixels
    size = (max(1, round(height * share)), max(1, round(width * share)))
    return interpolate(pixels[None].float(), size, mode="bicubic", antialias=True)[0].round().clamp(0, 255).byte()


def _frame(data: "Tensor", noise: "Tensor", level: "Level") -> "Tensor":
    """The noisy picture as one sees it: where noise explodes, brought back to unit variance."""
    from unnoise.media.image import to_bytes

    spread = (level.alpha**2 + level.sigma**2).sqrt().clamp(min=1.0)
    return to_bytes(level.mix(data, noise) / spread)
