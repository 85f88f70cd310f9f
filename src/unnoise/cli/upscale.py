"""Make a picture larger."""

import hashlib
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unnoise.catalogue import Shelf, is_path, library
from unnoise.cli import _places as places
from unnoise.cli._options import Machine
from unnoise.cli._parse import parse
from unnoise.cli._show import Bar, say, say_json
from unnoise.core.error import Refused
from unnoise.core.event import Progress, Result
from unnoise.tasks.upscale import Upscale


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Make a picture larger.

    unnoise upscale cat.png --scale 4 --out large.png

    Any size will do, as long as the result has at most 8192 x 8192 pixels; transparency is kept.

    Args:
        image: The picture.
        prompt: What it shows, for upscalers that go by words; the one that comes with unnoise takes none.
        scale: How many times as many pixels a side: 2, 3, 4, 8, 12 or 16.
        model: An upscaler's name or file.
        out: A folder, made if need be, where nothing is overwritten; or a file's name, which is.
        format: The result's format; png, or what the file's name says.
        json: One JSON object a line on standard output, and nothing else there.
        quiet: No progress, only what was made.
        machine: Where it runs.
    """

    image: str
    prompt: str = ""
    scale: int = Upscale.scale
    model: str = Upscale.model
    out: str = "out"
    format: Literal["png", "webp", "jpeg"] | None = None
    json: bool = False
    quiet: bool = False
    machine: Machine = field(default_factory=Machine)


def command(args: list[str]) -> int:
    asked = parse(Asked, args, "unnoise upscale")
    path = places.user_path(asked.image, "IMAGE")
    name = Path(asked.model).stem if is_path(asked.model) else asked.model
    task = Upscale(image="", prompt=asked.prompt, scale=asked.scale, model=name)
    task.check()
    place = places.place(asked.out, asked.format, 1)
    places.probe(place.folder)
    machine = asked.machine
    if machine.part or machine.family or machine.ignore_keys or machine.memory:
        remedy = "leave --part, --family, --ignore-keys and --memory out"
        raise Refused("an upscaler's file says itself what it is, and it takes little memory", remedy, "part")
    if machine.dtype == "int8":
        raise Refused("an upscaler has no linear layers to be int8", "leave --dtype int8 out", "dtype")
    shelf = library({name: asked.model}, machine.device, machine.dtype, machine.exact)
    from unnoise.media.image import still

    found = shelf.register(still(path))
    _check_format(place, shelf, found, asked.scale)
    bar = Bar(not (asked.json or asked.quiet))
    try:
        with closing(Upscale(image=found, scale=asked.scale, model=name).run(shelf)) as events:
            for event in events:
                if isinstance(event, Progress):
                    _watch(event, asked, bar)
                else:
                    bar.clear()
                    _tell(event, _saved(event, place, path, asked.scale), asked)
    finally:
        bar.clear()
    return 0


def _check_format(place: places.Place, shelf: Shelf, digest: str, scale: int) -> None:
    """See that the result's format can hold it.

    Raises:
        Refused: it cannot.
    """
    channels, height, width = shelf.picture(digest).shape
    if places.format_of(place) == "jpeg" and channels == 4:
        raise Refused("the picture is transparent in places, which jpeg cannot keep", "use png or webp", "format")
    places.check_sides(place, scale * width, scale * height)


def _watch(event: Progress, asked: Asked, bar: Bar) -> None:
    if asked.json and not asked.quiet:
        say_json(event="progress", picture=event.picture, step=event.step, steps=event.steps)
    if event.steps:
        bar.draw(event.step / event.steps, f"tile {event.step}/{event.steps}")


def _saved(event: Result, place: places.Place, source: Path, scale: int) -> Path:
    from unnoise.media.image import save

    places.made(place.folder)
    path = place.path(source.stem, f"x{scale}")
    save(path, event.pixels, event.record)
    return path


def _tell(event: Result, path: Path, asked: Asked) -> None:
    if not asked.json:
        return say(str(path))
    height, width = event.pixels.shape[-2:]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    size = {"width": int(width), "height": int(height), "seconds": round(event.seconds, 3), "sha256": digest}
    say_json(event="result", path=str(path), seed=event.seed, **size)
