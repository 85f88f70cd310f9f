"""The first signal asks, the second interrupts, and afterwards all is as before."""

import os
import signal
import threading

import pytest

from unnoise.train.stopping import never, signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with signals() as asked:
        assert not asked()
        os.kill(os.getpid(), number)
        assert asked()
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_second_interrupts() -> None:
    with pytest.raises(KeyboardInterrupt), signals() as asked:
        os.kill(os.getpid(), signal.SIGINT)
        assert asked()
        signal.raise_signal(signal.SIGINT)


def test_elsewhere_than_in_the_main_thread_it_never_asks() -> None:
    found: list[bool] = []

    def work() -> None:
        with signals() as asked:
            found.append(asked is never)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [True]
    assert not never()
