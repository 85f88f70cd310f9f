"""Run a task that makes pictures: everything checked before anything is loaded, each picture saved when it is done."""

import hashlib
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.catalogue import Shelf
from unnoise.cli import _places as places
from unnoise.cli._options import Machine, Output, Pause
from unnoise.cli._shelf import shelved
from unnoise.cli._show import Bar, note, say, say_json
from unnoise.core.error import Refused
from unnoise.core.event import Progress, Result
from unnoise.tasks._plan import unlearnt

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.state import Paused

FRAMES = 100
"""The most frames that a trace keeps; a longer run is thinned."""


@dataclass(frozen=True)
class Files:
    """Where what is made goes; None where it was not asked for."""

    pictures: places.Place
    latents: Path | None
    trace: Path | None
    preview: Path | None
    state: Path | None = None

    def probe(self) -> None:
        """See that all of them can be written, before anything is computed.

        Raises:
            Refused: one cannot.
        """
        places.probe(self.pictures.folder)
        beside = {"latents-out": self.latents, "trace": self.trace, "preview": self.preview, "state": self.state}
        for option, path in beside.items():
            if path is not None:
                places.probe(path.parent, option)


@dataclass(frozen=True)
class Way:
    """How a run begins and ends, where it does not go from noise to pictures.

    Args:
        start: the paused run it goes on from.
        pause: where it stops.
        notes: what a person should know before.
    """

    start: "Paused | None" = None
    pause: Pause = field(default_factory=Pause)
    notes: tuple[str, ...] = ()


def make(task: Any, output: Output, machine: Machine, way: Way | None = None, shelf: Shelf | None = None) -> int:
    """Run a task and save its pictures.

    Args:
        task: a request of tasks/, with a `model`, a `count` and a `plan`.
        shelf: the library that knows its model; by default one of its own.
    Raises:
        Refused: it cannot be honoured.
    """
    way = way or Way()
    files = replace(_files(output, task.count), state=_state(way, task.count))
    for option, path in (("--latents-out", files.latents), ("--trace", files.trace)):
        if files.state and path:
            raise Refused(f"{option} is of a finished picture", "give it when the run goes on", option)
    task, shelf = (task, shelf) if shelf else named(task, machine)
    plan = task.plan(shelf.describe(task.model))
    places.check_sides(files.pictures, plan.width * plan.upscale, plan.height * plan.upscale)
    files.probe()
    if way.start is not None:
        task = replace(task, start=shelf.register(way.start))
    show = Show(output, task.count)
    for text in way.notes:
        note(text, output.json, output.quiet)
    odd = iter(unlearnt(plan.width, plan.height, shelf.describe(task.model)))
    try:
        with closing(task.run(shelf)) as events:
            for event in events:
                for text in odd:  # once, and not before what is refused
                    note(text, output.json, output.quiet)
                if isinstance(event, Progress):
                    show.progress(event)
                    show.frame(event, files)
                    if files.state and _reached(event, way.pause):
                        return show.paused(event, files.state)
                else:
                    show.result(event, _save(event, plan.prompt, files, show.frames))
    finally:
        show.bar.clear()
    if files.state:
        raise Refused(f"the run ended before step {way.pause.pause_at}", "pause earlier", "pause-at")
    return 0


def _state(way: Way, count: int) -> Path | None:
    """Where the run is saved when it pauses.

    Raises:
        Refused: it is not said where or when, or there is more than one picture to stop at.
    """
    step, word = way.pause.pause_at, way.pause.state
    if step is None and word is None:
        return None
    if step is None or word is None:
        lacks, has = ("--state", "--pause-at") if word is None else ("--pause-at", "--state")
        raise Refused(f"{has} is given without {lacks}", "give both: the step, and the file to save to", lacks)
    if count != 1:
        raise Refused("--pause-at stops one picture, not several", "leave --count out", "count")
    begun = way.start.state.step if way.start else 0
    if step <= begun:
        raise Refused(f"--pause-at {step} lies behind", f"pause after step {begun}", "pause-at")
    return places.beside(word, (".safetensors",), "state", 1)


def _reached(event: Progress, pause: Pause) -> bool:
    """Whether this is the step to pause at.

    Raises:
        Refused: the run will never come there, or is done with it.
    """
    step = pause.pause_at or 0
    if event.steps is not None and step >= event.steps:
        what = f"--pause-at {step} leaves nothing to go on with: the run has {event.steps} steps"
        raise Refused(what, "pause earlier", "pause-at")
    return event.step == step


def named(task: Any, machine: Machine) -> tuple[Any, Shelf]:
    """The request by its models' names, and the library that knows them."""
    (task,), shelf = shelved([task], machine)
    return task, shelf


def _files(output: Output, count: int) -> Files:
    return Files(
        places.place(output.out, output.format, count),
        places.beside(output.latents_out, (".safetensors",), "latents-out", count),
        places.beside(output.trace, (".gif",), "trace", count),
        places.beside(output.preview, tuple(places.SUFFIXES), "preview", 1),
    )


def _save(event: Result, title: str, files: Files, frames: "list[Tensor]") -> Path:
    from unnoise.media.animation import gif
    from unnoise.media.image import save
    from unnoise.weights.store import write_tensors

    places.made(files.pictures.folder)
    path = files.pictures.path(title, event.seed)
    save(path, event.pixels, event.record)
    if files.preview:
        save(_there(files.preview, event), event.pixels, event.record)
    if files.latents and event.latent is not None:
        write_tensors(_there(files.latents, event), {"latent": event.latent}, {"record": event.record.json()})
    if files.trace:
        gif(_there(files.trace, event), [_like(f, event.pixels) for f in frames] + [event.pixels], 0.1)
        frames.clear()
    return path


def _there(path: Path, event: Result) -> Path:
    """This picture's own file, in a folder that is there."""
    return places.made(path.parent) / path.name.replace("{seed}", str(event.seed))


def _like(frame: "Tensor", pixels: "Tensor") -> "Tensor":
    """A frame at the picture's size: a preview may be smaller."""
    from torch.nn.functional import interpolate

    size = tuple(pixels.shape[-2:])
    return frame if tuple(frame.shape[-2:]) == size else interpolate(frame[None].float(), size).round().byte()[0]


@dataclass
class Show:
    """What is seen of a run.

    Args:
        output: as the user asked.
        count: how many pictures there will be.
    """

    output: Output
    count: int
    bar: Bar = field(init=False)
    frames: "list[Tensor]" = field(default_factory=list["Tensor"])
    drawn: float = 0.0

    def __post_init__(self) -> None:
        self.bar = Bar(not (self.output.quiet or self.output.json))

    def progress(self, event: Progress) -> None:
        if self.output.json and not self.output.quiet:
            say_json(event="progress", picture=event.picture, step=event.step, steps=event.steps)
        share = event.step / event.steps if event.steps else 0.0
        which = f"picture {event.picture + 1}/{self.count}  " if self.count > 1 else ""
        of = f"/{event.steps}" if event.steps else ""
        self.bar.draw((event.picture + share) / self.count, f"{which}step {event.step}{of}")

    def frame(self, event: Progress, files: Files) -> None:
        """Keep this step's frame for the trace, and show it as the preview, at most five times a second."""
        due = files.preview is not None and time.monotonic() - self.drawn > 0.2
        kept = files.trace is not None and event.step % (1 + (event.steps or 0) // FRAMES) == 0
        if not (due or kept):
            return
        pixels = event.preview()
        if kept:
            self.frames.append(pixels)
        if due and files.preview is not None:
            from unnoise.media.image import save

            save(places.made(files.preview.parent, "preview") / files.preview.name, pixels)
            self.drawn = time.monotonic()

    def paused(self, event: Progress, path: Path) -> int:
        """Save the run as it is; gives the exit code."""
        from unnoise.weights.paused import write

        self.bar.clear()
        saved = event.paused()
        digest = write(places.made(path.parent, "state") / path.name, saved)
        if self.output.json:
            place = {"step": event.step, "steps": event.steps, "seed": saved.record.seed}
            say_json(event="state", path=str(path), **place, sha256=digest)
        else:
            say(str(path))
        return 0

    def result(self, event: Result, path: Path) -> None:
        self.bar.clear()
        if not self.output.json:
            return say(str(path))
        height, width = event.pixels.shape[-2:]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        size = {"width": int(width), "height": int(height), "seconds": round(event.seconds, 3), "sha256": digest}
        say_json(event="result", path=str(path), seed=event.seed, **size)
