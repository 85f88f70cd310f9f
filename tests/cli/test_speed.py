"""How fast a machine multiplies."""

import pytest
import torch

from unnoise.cli import _speed


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_it_is_of_this_machine_and_not_of_its_clock(dtype, monkeypatch):
    monkeypatch.setattr(_speed, "SECONDS", 0.05)
    assert 10**7 < _speed.speed("cpu", dtype) < 10**16


def test_work_is_counted_as_often_as_it_is_done(monkeypatch):
    done = []
    monkeypatch.setattr(_speed, "SECONDS", 0.01)
    monkeypatch.setattr(_speed.time, "perf_counter", lambda: len(done) * 0.001)
    rate = _speed._rate(lambda: done.append(torch.ones(1)), 1000, "cpu")
    assert rate == pytest.approx(1000 / 0.001)
