"""What tests of objectives share."""

import pytest

from unnoise.train import precision


@pytest.fixture
def quick_in_half(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is quick in half precision, whatever this one is."""
    monkeypatch.setattr(precision, "native", lambda _, kind: kind)
