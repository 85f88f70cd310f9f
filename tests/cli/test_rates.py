"""Rates are measured once, kept, and measured again when they are stale, damaged or asked for."""

import json
import time

import pytest

from unnoise.catalogue import Reading
from unnoise.cli import _rates
from unnoise.cli._rates import call_seconds, rates
from unnoise.core.error import Refused

MEASURED = {
    "start": 2.0,
    "bind": 0.01,
    "decode": 1e-9,
    "threads": 1,
    "points": [
        {"batch": 1, "width": 16, "height": 16, "seconds": 0.1},
        {"batch": 2, "width": 16, "height": 16, "seconds": 0.2},
    ],
}


@pytest.fixture
def asked(folder, monkeypatch):
    """What the measurements were of, in their order."""
    found = []

    def measure(model, device, dtype, reading=None):
        found.append((model.name, device, dtype))
        return MEASURED

    monkeypatch.setattr(_rates, "measure", measure)
    return found


def ask(folder, digest="a", device="cpu", again=False, reading=None):
    return rates(folder / "m.safetensors", [digest], device, "float32", again, reading)


def test_a_measurement_is_kept(asked, folder):
    first = ask(folder)
    assert (first.start, first.points[1]) == (2.0, (2, 16, 16, 0.2))
    assert ask(folder) == first and len(asked) == 1
    ask(folder, digest="b")
    ask(folder, device="cuda")
    assert ask(folder) == first and len(asked) == 3


def test_a_file_that_is_read_as_another_family_is_measured_anew(asked, folder):
    first = ask(folder)
    ask(folder, reading=Reading(family="sd2", prediction="v"))
    assert len(asked) == 2
    assert ask(folder, reading=Reading()) == first and len(asked) == 2


def test_it_is_made_again_when_asked_stale_or_damaged(asked, folder):
    ask(folder)
    ask(folder, again=True)
    assert len(asked) == 2
    cache = folder.parent / "home" / "cache" / "rates.json"
    kept = json.loads(cache.read_text())
    (entry,) = kept.values()
    for damage in (
        {"at": time.time() - _rates.FRESH - 1},
        {"at": time.time() + 1e6},
        {"points": []},
        {"points": [{"batch": 1}]},
        {"bind": "much"},
        {"start": None},
    ):
        cache.write_text(json.dumps({key: {**entry, **damage} for key in kept}))
        before = len(asked)
        ask(folder)
        assert len(asked) == before + 1, damage
    for text in ("[" * 100_000, "{", "[]", "null"):
        cache.write_text(text)
        before = len(asked)
        ask(folder)
        assert len(asked) == before + 1, text[:9]


def test_a_cache_that_cannot_be_written_is_no_error(asked, folder):
    (folder.parent / "home").write_text("a file")
    assert ask(folder).start == 2.0


def test_a_measurement_that_fails_says_so(folder):
    with pytest.raises(Refused, match="could not be measured"):
        rates(folder / "nowhere.safetensors", ["a"], "cpu", "float32")


def test_between_and_beyond_measured_calls():
    points = [(10.0, 1.0), (20.0, 3.0), (40.0, 5.0)]
    assert call_seconds(points, 20.0) == 3.0
    assert call_seconds(points, 15.0) == pytest.approx(2.0)
    assert call_seconds(points, 60.0) == pytest.approx(7.0)
    assert 0 < call_seconds(points, 2.5) < 1.0
    assert call_seconds(points[:1], 30.0) == pytest.approx(3.0)
