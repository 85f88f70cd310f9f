"""Train a model by a recipe, or go on where a training stopped."""

import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields, make_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.cli import _places as places
from unnoise.cli._begun import FREE, agree, as_begun, flagged, freed, told
from unnoise.cli._parse import parse
from unnoise.cli._show import Bar, clock, note, say, say_json
from unnoise.core.error import Refused
from unnoise.recipes import RECIPES
from unnoise.tasks._plan import check_number

if TYPE_CHECKING:
    from collections.abc import Generator

    from unnoise.train.event import Event, Logged

OFTEN = 30.0
"""Seconds between notes of one preparation."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """How a training runs.

    Args:
        out: The run's folder, made if need be; runs/RECIPE by default.
        resume: Go on from the newest snapshot in it, with the options that the run was begun with, which need not be
            given again; --steps may be others, as long as they are not behind.
        minutes: Train for so long, instead of the recipe's steps: their number is found by taking a few, and stays when
            the run goes on.
        ema: The relative width of the average of its weights that the model's file gets, chosen afterwards, with
            --resume, from 0.05 and 0.1 stored along the run; 0.05 by default. Narrower is nearer to the last weights.
        device: The best there is by default.
        json: One JSON object a line on standard output, and nothing else there.
        quiet: No progress, only the model's path.
    """

    out: str = field(default="", metadata={"metavar": "DIR"})
    resume: bool = False
    minutes: float | None = None
    ema: float | None = field(default=None, metadata={"metavar": "WIDTH"})
    device: str | None = None
    json: bool = False
    quiet: bool = False


def command(args: list[str]) -> int:
    if args[:1] in (["--help"], ["-h"]):
        say(_help())
        return 0
    if not args or args[0].startswith("-"):
        raise Refused("no recipe is given", f"one of {', '.join(RECIPES)} comes first", "recipe")
    name, kind = args[0], RECIPES[args[0]]
    recipe, running = _read(name, kind, args[1:])
    check_number(recipe.steps, 1, 10**9, "steps")
    check_number(getattr(recipe, "seed", 0), 0, 2**64 - 1, "seed")
    if running.ema is not None and not running.resume:
        raise Refused("--ema is chosen when there are averages", "give it with --resume", "ema")
    out = places.user_path(running.out or f"runs/{name}", "--out")
    places.probe(out)
    from unnoise.train.fit import begun

    free: tuple[str, ...] = FREE
    if found := begun(out, running.resume):  # known before anything is read or encoded
        agree(found, {"recipe": name})
        recipe, running = _read(name, as_begun(kind, found), args[1:])
        recipe = flagged(recipe, found)
        agree(found, told(name, recipe), free := freed(found, recipe))
    return _train(recipe, told(name, recipe), running, out, free)


def _read(name: str, kind: type[Any], args: list[str]) -> tuple[Any, Running]:
    """A recipe and how it runs, from the words behind its name."""
    shape = make_dataclass("Asked", [("recipe", kind), ("run", Running)], frozen=True, kw_only=True)
    shape.__doc__ = kind.__doc__
    asked: Any = parse(shape, args, f"unnoise train {name}")
    return asked.recipe, asked.run


def _help() -> str:
    width = max(map(len, RECIPES))
    rows = [f"  {name.ljust(width)}  {RECIPES.summary(name)}" for name in RECIPES]
    usage = ["usage: unnoise train RECIPE [OPTIONS]", "", "Train a model by a recipe.", ""]
    return "\n".join([*usage, *rows, "", "'unnoise train RECIPE --help' says what a recipe takes."])


def _train(recipe: Any, facts: dict[str, str], running: Running, out: Path, free: tuple[str, ...]) -> int:
    from unnoise.catalogue import place
    from unnoise.train.fit import fit
    from unnoise.train.pace import paced
    from unnoise.train.stopping import signals

    with _told(running):
        run = recipe.run(str(place(running.device).device))
    if running.minutes is not None and not running.resume:
        run = paced(run, running.minutes)
    if running.ema is not None:
        run = replace(run, ema=running.ema)
    with signals() as stop:
        events = fit(run, out, resume=running.resume, facts=facts, free=free, stop=stop)
        with closing(events):
            last = _follow(events, run.steps, running)
        if stop():
            how = (
                f"stopped at step {last} of {run.steps}; --resume goes on" if last else "stopped before the first step"
            )
            raise KeyboardInterrupt(how)
    return 0


@contextmanager
def _told(running: Running) -> "Generator[None]":
    """Show what is logged of long preparations meanwhile, such as the encoding of a set."""
    log, shown = logging.getLogger("unnoise"), _Preparing(Bar(not (running.json or running.quiet)), running)
    level = log.level
    log.addHandler(shown)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(shown)
        log.setLevel(level)
        shown.bar.clear()


class _Preparing(logging.Handler):
    """A bar where a terminal is; elsewhere a note at once, and others not too often."""

    def __init__(self, bar: Bar, running: Running) -> None:
        super().__init__(logging.INFO)
        self.bar, self.running, self.next = bar, running, 0.0

    def emit(self, record: logging.LogRecord) -> None:
        match record.args:
            case (int(done), int(total)) if self.bar.shown:
                self.bar.draw(done / total, record.getMessage())
            case (int(), int()) if time.monotonic() < self.next:
                pass
            case _:
                note(record.getMessage(), self.running.json, self.running.quiet)
                self.next = time.monotonic() + OFTEN


def _follow(events: "Iterator[Event]", steps: int, running: Running) -> int:
    """Show a training's events; gives the last step done."""
    from unnoise.train.event import Logged, Saved
    from unnoise.train.loop import Report

    bar = Bar(not (running.json or running.quiet))
    last, status, model = 0, "", Path()
    for event in events:
        if isinstance(event, Report):
            last = event.step
            bar.draw(last / steps, f"step {last}/{steps}{status}")
            continue
        if isinstance(event, Logged):
            status = f"  loss {event.loss:.4f}  {event.speed:.0f} pictures/s"
        if isinstance(event, Saved):
            last, model = event.step, event.model
        if running.json:
            say_json(**_line(event, steps))
        elif not running.quiet and not (bar.shown and isinstance(event, Logged)):
            bar.clear()
            say(_sentence(event, steps))
    bar.clear()
    if running.quiet and not running.json:
        say(str(model))
    return last


def _line(event: "Event", steps: int) -> dict[str, Any]:
    """An event as JSON values."""
    name = {"Logged": "progress", "Saved": "snapshot", "Previewed": "preview"}.get(type(event).__name__)
    said = {f.name: getattr(event, f.name) for f in fields(event)}
    plain = {k: str(v) if isinstance(v, Path) else v for k, v in said.items()}
    return {"event": name or type(event).__name__.lower(), **plain, "steps": steps}


def _sentence(event: "Event", steps: int) -> str:
    from unnoise.train import event as kinds

    match event:
        case kinds.Preflight():
            left_out = f", {len(event.broken)} left out as broken" if event.broken else ""
            what = f"{event.pictures:,} pictures{left_out}, {event.parameters / 1e6:.1f} M parameters"
            return f"{what}; the first batch is drawn in {event.sheet}"
        case kinds.Logged():
            return _progress(event, steps)
        case kinds.Heldout():
            return f"step {event.step}: held-out loss {event.loss:.4f}"
        case kinds.Previewed():
            return f"step {event.step}: preview in {event.path}"
        case kinds.Saved():
            return f"step {event.step}: snapshot in {event.snapshot}, model in {event.model}"
        case _:
            return ""


def _progress(event: "Logged", steps: int) -> str:
    pace = f"{event.speed:.0f} pictures/s, {clock(event.left)} left"
    return f"step {event.step}/{steps}: loss {event.loss:.4f}, {pace}"
