"""Train a model by a recipe, or go on where a training stopped."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields, make_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.cli import _places as places
from unnoise.cli._parse import parse
from unnoise.cli._show import Bar, clock, note, say, say_json
from unnoise.core.error import Refused
from unnoise.recipes import RECIPES

if TYPE_CHECKING:
    from collections.abc import Generator

    from unnoise.train.event import Event, Logged
    from unnoise.train.run import Run
    from unnoise.train.snapshot import Snapshot

OFTEN = 30.0
"""Seconds between notes of one preparation."""

FREE = ("data", "steps", "compiled", "previews")
"""Fields of a recipe that may differ when a run is resumed: its folder may have moved, and it may go on for longer."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """How a training runs.

    Args:
        out: The run's folder, made if need be; runs/RECIPE by default.
        resume: Go on from the newest snapshot in it, with the options that the run was begun with; --steps may be
            others, as long as they are not behind.
        minutes: Train for so long, instead of the recipe's steps: their number is found by taking a few.
        device: The best there is by default.
        json: One JSON object a line on standard output, and nothing else there.
        quiet: No progress, only the model's path.
    """

    out: str = field(default="", metadata={"metavar": "DIR"})
    resume: bool = False
    minutes: float | None = None
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
    shape = make_dataclass("Asked", [("recipe", kind), ("run", Running)], frozen=True, kw_only=True)
    shape.__doc__ = kind.__doc__
    asked: Any = parse(shape, args[1:], f"unnoise train {name}")
    return _train(name, asked.recipe, asked.run)


def _help() -> str:
    width = max(map(len, RECIPES))
    rows = [f"  {name.ljust(width)}  {RECIPES.summary(name)}" for name in RECIPES]
    usage = ["usage: unnoise train RECIPE [OPTIONS]", "", "Train a model by a recipe.", ""]
    return "\n".join([*usage, *rows, "", "'unnoise train RECIPE --help' says what a recipe takes."])


def _train(name: str, recipe: Any, running: Running) -> int:
    out = places.user_path(running.out or f"runs/{name}", "--out")
    places.probe(out)
    from unnoise.catalogue import place
    from unnoise.train.fit import begun, fit
    from unnoise.train.stopping import signals

    if found := begun(out, running.resume):  # known before anything is read or encoded
        _agree(found, recipe, running)
    with _told(running):
        run = recipe.run(str(place(running.device).device))
    if running.minutes is not None:
        run = _timed(run, running.minutes, found)
    with signals() as stop:
        events = fit(run, out, resume=running.resume, facts=_facts(recipe), stop=stop)
        with closing(events):
            last = _follow(events, run.steps, running)
        if stop():
            how = (
                f"stopped at step {last} of {run.steps}; --resume goes on" if last else "stopped before the first step"
            )
            raise KeyboardInterrupt(how)
    return 0


def _agree(found: "Snapshot", recipe: Any, running: Running) -> None:
    """Whether a recipe is that of the run it goes on with, as far as its options say.

    Raises:
        Refused: it is not.
    """
    from unnoise.train.session import check_facts

    steps = {} if running.minutes is not None else {"steps": str(recipe.steps)}
    check_facts(found, {**found.facts, **_facts(recipe), **steps})


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


def _timed(run: "Run", minutes: float, found: "Snapshot | None") -> "Run":
    """The run with as many steps as fit; one that goes on keeps the number it was begun with."""
    from unnoise.train.pace import paced

    return replace(run, steps=int(found.facts["steps"])) if found else paced(run, minutes)


def _facts(recipe: Any) -> dict[str, str]:
    return {f.name: json.dumps(getattr(recipe, f.name), default=str) for f in fields(recipe) if f.name not in FREE}


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
