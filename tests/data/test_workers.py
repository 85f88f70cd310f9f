"""Work shared out comes back whole, in order, and leaves no process behind."""

import multiprocessing
import os
from itertools import count, islice

import pytest
import torch

from unnoise.core.error import Refused
from unnoise.data.workers import ordered, spare


def test_without_workers_nothing_is_taken_ahead() -> None:
    taken: list[int] = []
    jobs = (taken.append(k) or k for k in count())
    assert list(islice(ordered(str, jobs, 0), 3)) == [(0, "0"), (1, "1"), (2, "2")]
    assert taken == [0, 1, 2]


def test_quick_work_starts_no_process() -> None:
    assert {result for _, result in ordered(eval, ["__import__('os').getpid()"] * 5, 2)} == {os.getpid()}


def test_processes_keep_the_order_and_end_with_the_iterator() -> None:
    torch.rand(300, 300) @ torch.rand(300, 300)  # torch's threads are up; a forked worker could hang on them
    jobs = (f"({k}, __import__('os').getpid(), __import__('torch').get_num_threads())" for k in count())
    results = ordered(eval, jobs, 2, patience=0)
    found = [result for _, result in islice(results, 20)]
    assert [k for k, _, _ in found] == list(range(20))
    assert found[0][1] == os.getpid()
    assert os.getpid() not in {pid for _, pid, _ in found[1:]}
    assert {threads for _, _, threads in found[1:]} == {1}
    results.close()  # type: ignore[attr-defined]  # a generator, as its source shows
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_is_a_message() -> None:
    with pytest.raises(Refused, match="a process that decodes pictures ended"):
        list(ordered(eval, ["1", "__import__('os')._exit(3)", "2"], 1, patience=0))
    assert not multiprocessing.active_children()


def test_work_here_leaves_the_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    assert next(ordered(eval, ["__import__('torch').get_num_threads()"], 0))[1] == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("cores", "most", "found"), [(1, 8, 0), (2, 8, 0), (3, 8, 1), (16, 8, 8), (16, 99, 14)])
def test_spare_cores_are_those_that_training_leaves(monkeypatch, cores, most, found):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert spare(most) == found
