"""The bar, and how time is told."""

import io
import sys

import pytest

from unnoise.cli._show import Bar, clock


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0:00"), (7, "0:07"), (750, "12:30"), (11_100, "3:05:00")])
def test_clock(seconds, said):
    assert clock(seconds) == said


def test_a_bar_is_drawn_on_terminals_alone(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", seen := Terminal())
    bar = Bar()
    bar.draw(0.25, "step 1/4")
    bar.draw(0.5, "step 2/4")
    bar.clear()
    lines = seen.getvalue().split("\r\x1b[K")
    assert lines[1] == "█████░░░░░░░░░░░░░░░  step 1/4  "
    assert lines[2].startswith("██████████░░░░░░░░░░  step 2/4  0:00 left")
    assert lines[3] == "" and "\n" not in seen.getvalue()


@pytest.mark.parametrize("why", ["quiet", "dumb", "file", "closed"])
def test_elsewhere_nothing_is(monkeypatch, why):
    monkeypatch.setenv("TERM", "dumb" if why == "dumb" else "xterm")
    seen = io.StringIO() if why == "file" else Terminal()
    monkeypatch.setattr(sys, "stderr", None if why == "closed" else seen)
    bar = Bar(why != "quiet")
    bar.draw(0.5, "x")
    bar.clear()
    assert seen.getvalue() == ""
