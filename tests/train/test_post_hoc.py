"""An average of any width, from averages of two widths stored along the way, is the one tracked directly."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.train.ema import Average
from unnoise.train.post_hoc import keep, post_hoc, stored
from unnoise.weights.store import write_tensors

STEPS, EVERY = 400, 25


@pytest.fixture(scope="module")
def walk() -> Tensor:
    """Weights that drift and jitter, (STEPS, 50)."""
    random = torch.Generator().manual_seed(0)
    return torch.randn(STEPS, 50, generator=random).cumsum(0) * 0.05 + torch.randn(STEPS, 50, generator=random) * 0.1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, walk: Tensor) -> Path:
    where = tmp_path_factory.mktemp("averages")
    averages = [Average({"network.w": walk[0]}, width) for width in (0.05, 0.10)]
    for step, value in enumerate(walk, 1):
        for average in averages:
            average.update({"network.w": value})
            if step % EVERY == 0:
                keep(where, average)
    return where


def direct(walk: Tensor, width: float, steps: int = STEPS) -> Tensor:
    average = Average({"w": walk[0]}, width)
    for value in walk[:steps]:
        average.update({"w": value})
    return average.values["w"]


@settings(max_examples=15)
@given(st.floats(0.04, 0.2))
def test_any_width_matches_the_one_tracked_directly(folder: Path, walk: Tensor, width: float) -> None:
    found, wanted = post_hoc(folder, width)["network.w"], direct(walk, width)
    assert found.dtype == torch.float32
    # over the whole walk the weights differ by about 1; averages of unlike widths differ by about 0.1
    assert float((found - wanted).abs().max()) < 0.01


def test_stored_widths_come_back(folder: Path, walk: Tensor) -> None:
    for width in (0.05, 0.10):
        assert float((post_hoc(folder, width)["network.w"] - direct(walk, width)).abs().max()) < 1e-3
    assert float((direct(walk, 0.05) - direct(walk, 0.10)).abs().max()) > 0.03


def test_an_earlier_step_may_be_asked_for(folder: Path, walk: Tensor) -> None:
    found = post_hoc(folder, 0.08, 300)["network.w"]
    assert float((found - direct(walk, 0.08, 300)).abs().max()) < 0.01


def test_files_say_what_they_are(folder: Path) -> None:
    known = stored(folder)
    assert len(known) == 2 * STEPS // EVERY
    assert (known[0].step, known[0].width) == (EVERY, 0.05)
    assert known[0].path.stat().st_size < 50 * 2 + 300


def test_what_cannot_be_made_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no averages"):
        post_hoc(tmp_path, 0.1)
    with pytest.raises(Refused, match=r"width 0\.005 .* cannot be made"):
        post_hoc(folder, 0.005)
    with pytest.raises(Refused, match="relative width"):
        post_hoc(folder, 0.5)
    write_tensors(tmp_path / "step-00000001.0.1.safetensors", {"w": torch.zeros(1)}, {})
    with pytest.raises(Refused, match="which average"):
        post_hoc(tmp_path, 0.1)
