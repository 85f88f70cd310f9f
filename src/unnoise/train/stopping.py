"""Ctrl-C and SIGTERM as a wish to stop after the step under way."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def never() -> bool:
    """No wish to stop."""
    return False


@contextmanager
def signals() -> Generator[Callable[[], bool]]:
    """Gives a function that says whether one of the two has arrived; the second one interrupts as usual.

    A step must not be interrupted half way: weights, optimizer and averages would no longer belong together. Outside
    the main thread, where Python takes no signals, it never says so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield never
        return
    asked = threading.Event()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()
        for each, usual in before.items():
            signal.signal(each, usual)

    for number in SIGNALS:
        signal.signal(number, ask)
    try:
        yield asked.is_set
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)
