"""What people and programs see while something runs: a bar on standard error, or lines of JSON on standard output."""

import json
import os
import sys
import time
from dataclasses import dataclass, field
from typing import Any


def say(text: str) -> None:
    """A line on standard output, there at once."""
    print(text, flush=True)


def say_json(**values: Any) -> None:
    """One JSON object as a line on standard output, there at once."""
    print(json.dumps(values), flush=True)


def plain(text: str) -> str:
    """The text with nothing in it that would move a terminal's cursor: a file's name, or what it says, may be a
    stranger's."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def note(text: str, json: bool, quiet: bool = False) -> None:
    """What a person should know of what is being done: a line on standard error, or an event among the others."""
    if json:
        say_json(event="note", text=text)
    elif not quiet and sys.stderr is not None:
        print(f"note: {plain(' '.join(text.split()))}", file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Seconds as 0:07, 12:30 or 3:05:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@dataclass
class Bar:
    """One line that is drawn over and over, where standard error is a terminal; nothing elsewhere.

    Args:
        shown: whether to draw at all.
    """

    shown: bool = True
    began: float = field(default_factory=time.monotonic)
    first: float = -1.0

    def __post_init__(self) -> None:
        terminal = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self.shown = self.shown and terminal

    def draw(self, done: float, text: str) -> None:
        """The line for a share done, 0 to 1, with the time that is left as far as it can be told."""
        if not self.shown:
            return
        now = time.monotonic()
        if self.first < 0:  # what came before the first step, loading, says nothing of the steps
            self.first, self.began = done, now
        part = done - self.first
        left = f"{clock((now - self.began) * (1 - done) / part)} left" if part > 0 else ""
        full = "█" if (sys.stderr.encoding or "").lower().startswith("utf") else "#"
        bar = (full * round(20 * done)).ljust(20, "░" if full == "█" else ".")
        print(f"\r\x1b[K{bar}  {text}  {left}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away, for another to be printed or at the end."""
        if self.shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
