"""Work shared out to processes and handed back in order."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from time import monotonic
from typing import TypeVar

import torch

from unnoise.core.error import Refused

AHEAD = 3  # jobs under way a worker: enough to hide a slow one, few enough that memory stays small
PATIENCE = 3.0  # about what the processes take to start, so that waiting at most doubles the time

A = TypeVar("A")
B = TypeVar("B")


def ordered(
    work: Callable[[A], B], jobs: Iterable[A], workers: int, patience: float = PATIENCE
) -> Iterator[tuple[A, B]]:
    """Each job with its result, in the jobs' order; jobs may be endless.

    The work begins here, and worker processes are started only once it has taken some time. They are started afresh
    ("spawn"): a forked copy of a process that has run torch can wait forever on a lock that nobody holds. Results
    should be plain values, not tensors, which would each take a file handle on their way back.

    Args:
        work: a function at a module's top level.
        jobs: picklable values, taken a few ahead of their results.
        workers: processes; 0 does all the work here.
        patience: seconds of work here before they are started.

    Raises:
        Refused: a worker process ended.
    """
    jobs, spent = iter(jobs), 0.0
    for job in jobs:
        began = monotonic()
        result = _here(work, job)
        spent += monotonic() - began
        yield job, result
        if workers > 0 and spent >= patience:
            yield from _shared(work, jobs, workers)


def spare(most: int = 8) -> int:
    """Processes that may work beside this one's own threads: what cores there are but two; on a small machine none."""
    return max(0, min(most, len(os.sched_getaffinity(0)) - 2 if hasattr(os, "sched_getaffinity") else 0))


def _shared(work: Callable[[A], B], jobs: Iterator[A], workers: int) -> Iterator[tuple[A, B]]:
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start)
    under_way: deque[tuple[A, Future[B]]] = deque()
    try:
        for job in jobs:
            under_way.append((job, pool.submit(work, job)))
            if len(under_way) > AHEAD * workers:
                yield _next(under_way)
        while under_way:
            yield _next(under_way)
    except BrokenProcessPool:
        remedy = "call from under `if __name__ == '__main__':`, free some memory, or ask for no workers"
        raise Refused("a process that decodes pictures ended", remedy, "workers") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _here(work: Callable[[A], B], job: A) -> B:
    # One picture is too little for several threads: on a busy machine they wait for each other a hundred times longer.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return work(job)
    finally:
        torch.set_num_threads(threads)


def _next(under_way: deque[tuple[A, Future[B]]]) -> tuple[A, B]:
    job, future = under_way.popleft()
    return job, future.result()


def _start() -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends the workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)
