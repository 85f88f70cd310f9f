"""The layout samples of the art repositories."""

from pathlib import Path

import pytest


@pytest.fixture
def samples(shared: Path) -> Path:
    return shared / "fixtures" / "upstream"
