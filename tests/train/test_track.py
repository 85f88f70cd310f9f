"""Events pass through to TensorBoard unchanged."""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from unnoise.core.error import Refused
from unnoise.media.image import save
from unnoise.train.event import Event, Heldout, Logged, Previewed
from unnoise.train.track import tracked


def test_without_tensorboard_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(Refused, match=r"pip install 'unnoise\[track\]'"):
        tracked(iter(()), tmp_path)


@pytest.mark.skipif(not find_spec("tensorboard"), reason="the extra 'track' is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_events_pass_and_are_written(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    picture = tmp_path / "sheet.png"
    save(picture, torch.zeros(3, 4, 4, dtype=torch.uint8))
    events = [Logged(20, 0.5, 1.5, 1e-3, 90.0, 2.0, 6.0), Heldout(20, 0.25), Previewed(20, picture)]
    closed: list[bool] = []

    def source() -> Iterator[Event]:
        try:
            yield from events
            yield events[0]
        finally:
            closed.append(True)

    passing = tracked(source(), tmp_path / "board")
    assert [next(passing) for _ in events] == events
    passing.close()
    assert closed == [True]
    found = EventAccumulator(str(tmp_path / "board"))
    found.Reload()
    assert {tag: found.Scalars(tag)[0].value for tag in found.Tags()["scalars"]} == pytest.approx(
        {"train/loss": 0.5, "train/norm": 1.5, "train/rate": 1e-3, "train/speed": 90.0, "heldout/loss": 0.25}
    )
    assert found.Scalars("heldout/loss")[0].step == 20
    assert found.Tags()["images"] == ["previews"]
